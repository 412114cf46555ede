"""Addresses of the pages of this app."""

from django.urls import path

from projects.pages import media

urlpatterns = [
    path("items/<int:item_id>/image/", media.item_image, name="item-image"),
]

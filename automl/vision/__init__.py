"""What trains, measures and runs vision models, as a program that knows no Django (`python -m automl.vision`)."""

// Three ways to show the same scene. Each offers start(scene) (up to the first frame), view({scale, x, y}) and
// edit(index, ring). The image lies below the shapes in all of them.

import { Stage } from "/static/js/editor/stage.js";
import { ShapeLayer } from "/static/js/editor/shapes.js";
import { drawSelected } from "/static/js/editor/render.js";
import { annotationAt } from "/static/js/editor/hit.js";
import { drawGrips } from "/static/js/editor/tools/grips.js";
import { COLOURS, SIZE } from "./scene.mjs";

const SVG = "http://www.w3.org/2000/svg";
export const IMAGE = "/bench/image.jpg?v=1";

export async function loadedImage() {
  const image = new Image();
  image.src = `${IMAGE}&max_side=2048`;
  await image.decode();
  return image;
}

export class Ours {
  async prepare() {
    const root = document.getElementById("stage");
    this.stage = new Stage(root);
    this.shapes = new ShapeLayer(this.stage.shapeCanvas);
    this.annotations = [];
    this.edited = null;
    this.stage.addEventListener("paint", () => this.#paint());
    this.stage.addEventListener("overlay", () => this.#overlay());
    await this.stage.open({ ...SIZE, image_url: IMAGE, frames: 1, facts: {} });
  }

  start(scene) {
    this.annotations = scene;
    this.stage.paint("shapes", "overlay");
  }

  view({ scale, x, y }) {
    Object.assign(this.stage.viewport, { scale, x, y, fitted: false });
    this.stage.moved();
  }

  edit(index, ring) {
    this.edited = { ...this.annotations[index], polygon: { parts: [{ outer: ring, holes: [] }] } };
    annotationAt(this.annotations, ring[0], 9); // what the pointer is over, as the tools ask on each move
    this.stage.paint("shapes", "overlay");
  }

  #paint() {
    const scene = {
      annotations: this.annotations, except: new Set(this.edited ? [this.edited.id] : []), colourOf: (id) => COLOURS[id], textOf: () => "",
      dashOf: () => [], isOpen: () => false, names: false, outline: false, style: "",
    };
    this.shapes.paint(scene, this.stage.viewport, this.stage.ratio, this.stage.isMoving);
  }

  #overlay() {
    if (!this.edited) return;
    const context = this.stage.overlayCanvas.getContext("2d");
    const colour = COLOURS[this.edited.label_class];
    drawSelected(context, this.edited, this.stage.viewport, { colour, name: "", names: false });
    drawGrips(context, this.edited, this.stage.viewport, colour);
  }
}

export class Svg {
  async prepare() {
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("width", 1600);
    this.svg.setAttribute("height", 1000);
    this.group = document.createElementNS(SVG, "g");
    const image = document.createElementNS(SVG, "image");
    image.setAttribute("href", (await loadedImage()).src);
    image.setAttribute("width", SIZE.width);
    image.setAttribute("height", SIZE.height);
    this.group.append(image);
    this.svg.append(this.group);
    document.getElementById("stage").replaceChildren(this.svg);
  }

  start(scene) {
    const nodes = scene.map((one) => {
      const node = document.createElementNS(SVG, "polygon");
      node.setAttribute("points", one.polygon.parts[0].outer.join(" "));
      node.setAttribute("fill", COLOURS[one.label_class]);
      node.setAttribute("fill-opacity", 0.14);
      node.setAttribute("stroke", COLOURS[one.label_class]);
      node.setAttribute("stroke-width", 1.5);
      node.setAttribute("vector-effect", "non-scaling-stroke");
      return node;
    });
    this.nodes = nodes;
    this.group.append(...nodes);
  }

  view({ scale, x, y }) {
    this.group.setAttribute("transform", `translate(${x} ${y}) scale(${scale})`);
  }

  edit(index, ring) {
    this.nodes[index].setAttribute("points", ring.join(" "));
  }
}

export class KonvaMethod {
  async prepare() {
    const { default: Konva } = await import("/konva/lib/index.js");
    this.Konva = Konva;
    const container = document.getElementById("stage");
    container.replaceChildren();
    this.stage = new Konva.Stage({ container, width: 1600, height: 1000 });
    this.below = new Konva.Layer({ listening: false });
    this.layer = new Konva.Layer();
    this.below.add(new Konva.Image({ image: await loadedImage(), width: SIZE.width, height: SIZE.height }));
    this.stage.add(this.below, this.layer);
  }

  start(scene) {
    this.nodes = scene.map((one) => new this.Konva.Line({
      points: one.polygon.parts[0].outer.flat(), closed: true, fill: `${COLOURS[one.label_class]}24`, stroke: COLOURS[one.label_class],
      strokeWidth: 1.5, strokeScaleEnabled: false,
    }));
    this.layer.add(...this.nodes);
    this.layer.batchDraw();
  }

  view({ scale, x, y }) {
    this.stage.scale({ x: scale, y: scale });
    this.stage.position({ x, y });
    this.stage.batchDraw();
  }

  edit(index, ring) {
    this.nodes[index].points(ring.flat());
    this.layer.batchDraw();
  }
}

export const METHODS = { ours: Ours, svg: Svg, konva: KonvaMethod };

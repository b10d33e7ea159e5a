// What can be taken from the page: a scene as SVG, PNG or GIF.
//
// A scene is {columns, cells, sketches}: a cell is {strokes, scale}, strokes {points, color} in a
// square of side 1 and the scale that they have there; sketches are {strokes, label, ended}, the rows
// of the same drawings.

import { drawInk, fitted, framed } from "./ink.js";

const CELL = 320; // units of an SVG's cell
const LINE = 1 / 140; // thickness of a line, of a cell
const GIF_SIDE = 420;
const GIF_FRAMES = 72;
const SHADES = 7; // of each ink in a GIF

function size({ columns, cells }) {
  return [columns, Math.ceil(cells.length / columns)];
}

/** Returns strokes as a cell; those on a paper where they are, others in the middle. */
export function toCell(strokes, side, extent) {
  const place = side ? onPaper(framed(strokes, side)) : fitted(strokes, extent);
  const move = ([x, y]) => [x * place.scale + place.x, y * place.scale + place.y];
  const moved = strokes.map((stroke) => ({ ...stroke, points: stroke.points.map(move) }));
  return { strokes: moved, scale: place.scale };
}

function onPaper({ side, left, top }) {
  return { scale: 1 / side, x: -left / side, y: -top / side };
}

/** Returns a scene as SVG.
 *
 * The twin of sketch_rnn_tf/drawing/vector.py: groups hold the rows as they are, so that whoever
 * reads the file gets the very drawings, whatever the paper's size.
 */
export function toSvg(scene, background) {
  const [columns, rows] = size(scene);
  const [width, height] = [columns * CELL, rows * CELL];
  const box = `viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"`;
  const groups = scene.cells.map((cell, i) => {
    const corner = [(i % columns) * CELL, Math.floor(i / columns) * CELL];
    return svgGroup(cell, scene.sketches[i], corner);
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="sketches" ${box} fill="none" ` +
      `stroke-linecap="round" stroke-linejoin="round" style="background: ${background}">`,
    ...groups,
    "</svg>\n",
  ].join("\n");
}

function svgGroup({ strokes, scale }, { strokes: rows, label, ended }, corner) {
  const first = strokes[0]?.points[0];
  if (!first) return '<g class="sketch"/>';
  const origin = corner.map((value, i) => value + (first[i] - rows[0][i] * scale) * CELL);
  const attributes = [
    'class="sketch"',
    label === null ? "" : `data-label="${escaped(label)}"`,
    ended ? "" : 'data-ended="false"',
    rows.at(-1)[2] ? "" : 'data-pen="down"',
    `transform="translate(${origin.join(" ")})scale(${scale * CELL})"`,
    `stroke-width="${LINE / scale}"`,
  ];
  return `<g ${attributes.filter(Boolean).join(" ")}>${svgPaths(strokes, rows)}</g>`;
}

/** Returns a path for each stroke: `M` to where the pen was, then the stroke's rows. */
function svgPaths(strokes, rows) {
  let [at, x, y] = [0, 0, 0];
  return strokes
    .map(({ points, color }) => {
      const own = rows.slice(at, at + points.length);
      const place = at ? `M${x} ${y}` : "";
      at += own.length;
      for (const [dx, dy] of own) [x, y] = [x + dx, y + dy];
      const [begin, ...others] = own.map(([dx, dy]) => `${dx} ${dy}`);
      const rest = others.length ? `l${others.join(" ")}` : "h0"; // a dot is a line too
      return `<path stroke="${color}" d="${place}m${begin}${rest}"/>`;
    })
    .join("");
}

function escaped(text) {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

/** Draws the first points of every cell; all of them for Infinity. */
function drawScene(context, scene, side, background, count) {
  const [columns, rows] = size(scene);
  context.fillStyle = background;
  context.fillRect(0, 0, columns * side, rows * side);
  scene.cells.forEach(({ strokes }, i) => {
    let left = count;
    const begun = [];
    for (const stroke of strokes) {
      const points = stroke.points.slice(0, Math.max(left, 0));
      if (points.length) begun.push({ ...stroke, points });
      left -= stroke.points.length;
    }
    const place = { scale: side, x: (i % columns) * side, y: Math.floor(i / columns) * side };
    drawInk(context, begun, side * LINE, place);
  });
}

function canvasOf(scene, side) {
  const [columns, rows] = size(scene);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [columns * side, rows * side];
  return canvas;
}

/** Resolves with a scene as a PNG's Blob. */
export function toPng(scene, background) {
  const side = Math.round(1200 / Math.max(...size(scene)));
  const canvas = canvasOf(scene, side);
  drawScene(canvas.getContext("2d"), scene, side, background, Number.POSITIVE_INFINITY);
  return new Promise((resolve) => {
    canvas.toBlob(resolve, "image/png");
  });
}

/** Resolves with the bytes of a GIF in which the drawings grow; the worker compresses it. */
export async function toGif(scene, background, engine) {
  const side = Math.round(GIF_SIDE / Math.max(...size(scene)));
  const canvas = canvasOf(scene, side);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const [width, height] = [canvas.width, canvas.height];
  const palette = paletteOf(scene, background);
  await engine.ask("gifBegin", { width, height, palette });
  const lengths = scene.cells.map(({ strokes }) =>
    strokes.reduce((sum, s) => sum + s.points.length, 0),
  );
  const longest = Math.max(1, ...lengths);
  const step = Math.ceil(longest / GIF_FRAMES);
  const nearest = nearestIn(palette);
  for (let count = step; count < longest + step; count += step) {
    drawScene(context, scene, side, background, count);
    const indices = nearest(context.getImageData(0, 0, width, height).data);
    await engine.ask("gifFrame", { indices, delay: count < longest ? 6 : 200 });
  }
  return engine.ask("gifEnd");
}

/** Returns the background and shades from it to each ink, [[red, green, blue], ...]. */
function paletteOf({ cells }, background) {
  const inks = [
    ...new Set(cells.flatMap(({ strokes }) => strokes.map(({ color }) => color))),
  ].slice(0, 30);
  const ground = rgb(background);
  const shades = inks.map(rgb).flatMap((ink) =>
    Array.from({ length: SHADES }, (_, k) => {
      const part = (k + 1) / SHADES;
      return ink.map((value, i) => Math.round(ground[i] + (value - ground[i]) * part));
    }),
  );
  return [ground, ...shades];
}

function rgb(color) {
  const number = Number.parseInt(color.slice(1), 16);
  return [number >> 16, (number >> 8) & 0xff, number & 0xff];
}

/** Returns a function from pixels to the nearest colors of a palette. */
function nearestIn(palette) {
  const known = new Map();
  const find = (r, g, b) => {
    const distances = palette.map(([x, y, z]) => (x - r) ** 2 + (y - g) ** 2 + (z - b) ** 2);
    return distances.indexOf(Math.min(...distances));
  };
  return (pixels) => {
    const indices = new Uint8Array(pixels.length / 4);
    for (let i = 0; i < indices.length; i++) {
      const [r, g, b] = [pixels[4 * i], pixels[4 * i + 1], pixels[4 * i + 2]];
      const key = (r << 16) | (g << 8) | b;
      if (!known.has(key)) known.set(key, find(r, g, b));
      indices[i] = known.get(key);
    }
    return indices;
  };
}

/** Lets the browser save content under a name. */
export function download(content, name, type) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement("a");
  [link.href, link.download] = [url, name];
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

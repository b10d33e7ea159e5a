// The state of the page in its address, so that a link gives the same drawing.

const GRID = 1000; // steps in a drawing's extent: what a link keeps of a coordinate
const CODES = 8; // how many hues a stroke may have

/** Rounds a coordinate to what an address keeps. */
export function snapped(value, extent) {
  return (Math.round((value / extent) * GRID) * extent) / GRID;
}

/** Returns strokes {points, hue} as text that an address may hold; hue 0 is yours. */
export function packStrokes(strokes, extent) {
  const bytes = [];
  let [x, y] = [0, 0];
  const put = (value) => {
    let rest = value < 0 ? -2 * value - 1 : 2 * value;
    for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
    bytes.push(rest);
  };
  for (const { points, hue } of strokes) {
    put(points.length * CODES + hue);
    for (const point of points) {
      const [nextX, nextY] = point.map((value) => Math.round((value / extent) * GRID));
      put(nextX - x);
      put(nextY - y);
      [x, y] = [nextX, nextY];
    }
  }
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Returns the strokes of `packStrokes`; none where the text is not of it. */
export function unpackStrokes(text, extent) {
  try {
    return unpacked(atob((text ?? "").replaceAll("-", "+").replaceAll("_", "/")), extent);
  } catch {
    return [];
  }
}

function unpacked(bytes, extent) {
  let [at, x, y] = [0, 0, 0];
  const take = () => {
    let [value, factor] = [0, 1];
    for (; bytes.charCodeAt(at) > 127; factor *= 128)
      value += (bytes.charCodeAt(at++) - 128) * factor;
    value += bytes.charCodeAt(at++) * factor;
    if (!Number.isFinite(value)) throw new RangeError("the text ends too early");
    return value % 2 ? -(value + 1) / 2 : value / 2;
  };
  const strokes = [];
  while (at < bytes.length) {
    const [head, points] = [take(), []];
    for (let i = 0; i < Math.floor(head / CODES); i++) {
      x += take();
      y += take();
      points.push([(x * extent) / GRID, (y * extent) / GRID]);
    }
    if (points.length) strokes.push({ points, hue: head % CODES });
  }
  return strokes;
}

/** Returns an address's fields {name: text}. */
export function readAddress() {
  return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
}

/** Puts fields into the address without a step in the browser's history; empty ones are left out. */
export function writeAddress(fields) {
  const given = Object.entries(fields).filter(([, value]) => value !== "" && value !== undefined);
  history.replaceState(null, "", `#${new URLSearchParams(given)}`);
}

// Where the model would go next: the density of the next point as a cloud of color.

const CELLS = 80; // a side

/** Resolves with a function that draws the density of a board's next point beneath the ink. */
export async function heatMap(app, board) {
  const [x, y] = board.end();
  const next = await app.engine.ask("next", { sketch: board.rows(), options: app.options() });
  const density = densities(next.components, x, y, board.side);
  const [down, up, end] = next.pen.map((part) => `${Math.round(part * 100)} %`);
  app.say(
    `The next point likely lies where the paper is colored. The pen stays down: ${down}, is lifted: ${up}, is done: ${end}.`,
  );
  return (context, place) =>
    paint(context, density, app.colors.colors[0], place, board.side * place.scale);
}

/** Returns the square roots of densities over a paper, the largest being 1, [CELLS * CELLS]. */
function densities(components, x, y, side) {
  const found = new Float64Array(CELLS * CELLS);
  const least = side / CELLS / 2; // a component narrower than a cell is as wide
  for (const one of components) {
    const [sigmaX, sigmaY] = [Math.hypot(one.sigmaX, least), Math.hypot(one.sigmaY, least)];
    const rest = 1 - one.rho * one.rho + 1e-3;
    const factor = one.weight / (sigmaX * sigmaY * Math.sqrt(rest));
    for (let i = 0; i < found.length; i++) {
      const u = (((i % CELLS) + 0.5) * (side / CELLS) - x - one.x) / sigmaX;
      const v = ((Math.floor(i / CELLS) + 0.5) * (side / CELLS) - y - one.y) / sigmaY;
      found[i] += factor * Math.exp(-(u * u - 2 * one.rho * u * v + v * v) / (2 * rest));
    }
  }
  const largest = Math.max(...found) || 1;
  return found.map((value) => Math.sqrt(value / largest));
}

function paint(context, density, color, place, width) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = CELLS;
  const small = canvas.getContext("2d");
  const image = small.createImageData(CELLS, CELLS);
  const number = Number.parseInt(color.slice(1), 16);
  const ink = [number >> 16, (number >> 8) & 0xff, number & 0xff];
  density.forEach((value, i) => {
    image.data.set([...ink, Math.round(value * 150)], 4 * i);
  });
  small.putImageData(image, 0, 0);
  context.imageSmoothingQuality = "high";
  context.drawImage(canvas, place.x, place.y, width, width);
}

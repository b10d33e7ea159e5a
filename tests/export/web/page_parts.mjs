// What the page's own modules give: node page_parts.mjs < requests.json > answers.json

import { readFileSync } from "node:fs";
import { packStrokes, unpackStrokes } from "../../../sketch_rnn_tf/export/web/page/address.js";
import { kept, resample, simplify } from "../../../sketch_rnn_tf/export/web/page/simplify.js";

const parts = { kept, resample, simplify, packStrokes, unpackStrokes };
const requests = JSON.parse(readFileSync(0, "utf-8"));
process.stdout.write(JSON.stringify(requests.map(([name, ...given]) => parts[name](...given))));

// Uploads a file with tus-js-client, going on after every cut, and prints the id of the evidence.
// node upload.mjs ENDPOINT TOKEN FILE RECORD PARALLEL
import { createReadStream, readFileSync, statSync } from "node:fs";
import * as tus from "tus-js-client";

const [endpoint, token, file, record, parallel] = process.argv.slice(2);
let evidence = null;
let cuts = 0;

// Parallel uploads read several stretches of the file at one time: the client wants it in memory then.
const source =
  parallel === "1" ? createReadStream(file) : readFileSync(file);

const upload = new tus.Upload(source, {
  endpoint,
  headers: { Authorization: `Bearer ${token}` },
  metadata: { record, filename: "video.mp4" },
  uploadSize: parallel === "1" ? statSync(file).size : null,
  chunkSize: parallel === "1" ? 4 * 1024 * 1024 : Infinity,
  parallelUploads: Number(parallel),
  retryDelays: Array.from({ length: 200 }, () => 20),
  onShouldRetry: () => {
    cuts += 1;
    return true;
  },
  onAfterResponse: (request, response) => {
    evidence = response.getHeader("Baqylau-Evidence") ?? evidence;
  },
  onError: (error) => {
    console.error(String(error));
    process.exit(1);
  },
  onSuccess: () => {
    console.log(JSON.stringify({ evidence, cuts }));
  },
});
upload.start();

// Runs npm's wasm-opt again and again in one process: started anew for each module it spends nearly all
// of its time on being compiled by Node. `node -e THIS PROGRAM`; each line of standard input is
// the arguments of one run as a JSON array, and is answered with a line that is its exit code.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");

// npm links its programs into one folder; the file itself may want its neighbours.
const program = fs.realpathSync(process.argv[1]);
const source = fs.readFileSync(program, "utf8").replace(/^#!.*/, "");
const main = new Function("Module", "require", "module", "__filename", "__dirname", source);

// Each run has an instance, and with it a memory, of its own; what they share is the compiled code.
const { compile, instantiate } = WebAssembly;
let compiled;
WebAssembly.instantiate = async (code, imports) => {
  compiled = await compile(code);
  return { module: compiled, instance: await instantiate(compiled, imports) };
};

const run = (args) =>
  new Promise((done) => {
    // What Emscripten's programs let their surroundings decide. They report failure in `exitCode`, and
    // come to `postRun` when their `main` has returned or exited.
    const settings = { arguments: args };
    settings.postRun = () => {
      const status = process.exitCode ?? 0;
      process.exitCode = 0;
      done(status);
    };
    if (compiled) {
      settings.instantiateWasm = (imports, receive) => {
        instantiate(compiled, imports).then(receive);
      };
    }
    main(settings, require, undefined, program, path.dirname(program));
  });

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const status = await run(JSON.parse(line));
    fs.writeSync(1, `${status}\n`);
  }
})();

// Prints the bits of every number that a module finds.
import { readFileSync } from "node:fs";

const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]));
const { count, bits } = instance.exports;
for (let index = 0; index < count(); index++) {
  console.log(BigInt.asUintN(64, bits(index)).toString(16).padStart(16, "0"));
}

// Compiles the published schema as strictly as ajv can, and says which of the requests named it accepts.
const { readFileSync } = require("node:fs");
const Ajv = require("ajv/dist/2020");

const [schema, ...requests] = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, "utf8")));
const validate = new Ajv({ strict: true, allowUnionTypes: false }).compile(schema);
console.log(JSON.stringify(requests.map((request) => validate(request))));

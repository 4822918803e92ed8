export { default } from "../../../../clients/typescript/eslint.config.js";

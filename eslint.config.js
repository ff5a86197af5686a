// The rules for the pages' JavaScript: ESLint's recommended set, the browser's globals.
import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["ops/web/static/vendor/", "build/", ".venv/"] },
  js.configs.recommended,
  {
    files: ["ops/web/static/js/**/*.js"],
    languageOptions: { globals: globals.browser },
    rules: { eqeqeq: "error", "no-var": "error", "prefer-const": "error" },
  },
  { files: ["tests/js/**/*.mjs", "eslint.config.js"], languageOptions: { globals: globals.node } },
];

"""Commands of `vault-issuer trust`: `options`, `opening` (sources and stores), `out` and `commands`."""

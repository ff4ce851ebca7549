// Prints what Node's crypto.X509Certificate and URL read in each certificate of a PEM bundle, as JSON.
const { X509Certificate } = require("node:crypto");
const { readFileSync } = require("node:fs");

const list = (value) => (value === undefined ? [] : [].concat(value));

// "DNS:a, URI:\"b,c\"": what holds a comma or the like is written as a JSON string.
function names(text) {
  const found = [];
  while (text) {
    const [, kind, rest] = /^([A-Za-z ]+):(.*)$/s.exec(text);
    const quoted = /^"(?:[^"\\]|\\.)*"/s.exec(rest);
    const end = quoted ? quoted[0].length : (rest + ", ").indexOf(", ");
    found.push([kind, quoted ? JSON.parse(quoted[0]) : rest.slice(0, end)]);
    text = rest.slice(end).replace(/^, /, "");
  }
  return found;
}

function read(pem) {
  try {
    const certificate = new X509Certificate(pem);
    const found = names(certificate.subjectAltName ?? "");
    const of = (kind) => found.filter((one) => one[0] === kind).map((one) => one[1]);
    const uri = of("URI").map((text) => {
      const url = new URL(text);
      return [url.hostname, url.host || url.pathname.startsWith("/") ? decodeURIComponent(url.pathname) : ""];
    });
    const { CN, O } = certificate.toLegacyObject().subject ?? {};
    return { dns: of("DNS"), ip: of("IP Address"), mail: of("email"), uri, cn: list(CN), o: list(O) };
  } catch (error) {
    return { error: String(error) };
  }
}

const blocks = readFileSync(process.argv[2], "utf8").match(/-----BEGIN[^-]*-----[^-]*-----END[^-]*-----/g) ?? [];
console.log(JSON.stringify(blocks.map(read)));

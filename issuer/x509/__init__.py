"""Reading CSRs and certificates, building chains, and comparing what a CA returned with what was asked.

Pure: no I/O, no clock (time is a parameter), no state. Everything raised for bad input is an `X509Error`,
whatever bytes come in; sizes and work are bounded. Modules, from the bottom up:

- `errors`, `der`, `pem`: what is raised, and bytes and text blocks read strictly.
- `syntax`: what a name must look like to be read alike by everybody. `names`: names that can be compared.
- `usages`, `extensions`, `keys`: what a CSR or certificate says of these, and which keys protect nothing.
- `lenient`, `contents`, `request`: a CSR in odd encodings, all that its bytes say, and the CSR as it is used.
- `raw`, `name_text`, `signatures`: CAs that the cryptography library doesn't decode, from their bytes.
- `certificates`, `bundle`, `describe`: certificates, many in one text of which some are odd, and in words.
- `chain`, `constraints`, `anchors`: the ways up, the names CAs may sign, and CAs that must be in a chain.
- `verify`: what came back, held against what was asked.

A leaf is judged and read strictly; a CA is carried, and read as Go and OpenSSL do.
"""

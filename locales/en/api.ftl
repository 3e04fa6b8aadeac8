api-title = The API
api-lead = JSON over HTTP, for those who script. The same as an OpenAPI document:
api-problems = Errors are problem details (RFC 9457): type, title, status, detail; for bad input also the field, for an unknown word near spellings.
api-problems-title = Errors
api-contents = Addresses

// A file of its own, because the page's Content-Security-Policy forbids scripts within it.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  // The validator is a service elsewhere: nothing of this page leaves the host.
  validatorUrl: null,
});

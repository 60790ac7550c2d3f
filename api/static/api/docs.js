const place = document.getElementById("swagger-ui");
SwaggerUIBundle({
  domNode: place,
  url: place.dataset.schema,
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "none",
  filter: true,
  // Nothing is sent to swagger.io to be checked.
  validatorUrl: null,
});

// Where this server is: a proxy may show it under a path of another site, which the page says.

/** The path that all addresses of this server begin with; empty where it has a site to itself. */
export const base = document.documentElement.dataset.base ?? "";

// Requests to the server that carry its token and fail with the server's own line.

const KEY = "limner-token";

const fromAddress = new URLSearchParams(location.hash.slice(1)).get("token");
if (fromAddress) {
  sessionStorage.setItem(KEY, fromAddress);
  history.replaceState(null, "", location.pathname + location.search);   // out of sight and out of the history
}

export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export const setToken = (token) => sessionStorage.setItem(KEY, token.trim());

export function headers(extra = {}) {
  const token = sessionStorage.getItem(KEY);
  return token ? { ...extra, Authorization: `Bearer ${token}` } : extra;
}

/** A response with a good status, or an ApiError with one readable line. */
export async function call(path, { method = "GET", body, type, keepalive = false } = {}) {
  let response;
  try {
    response = await fetch(path, { method, body, keepalive, headers: headers(type ? { "Content-Type": type } : {}) });
  } catch {
    throw new ApiError("The server does not answer. Is it still running?", 0);
  }
  if (response.ok) return response;
  let line = `The server answered ${response.status}.`;
  try {
    line = (await response.json()).error ?? line;
  } catch { /* not JSON: the status has to do */ }
  throw new ApiError(line.charAt(0).toUpperCase() + line.slice(1), response.status);
}

export const json = async (path, options) => (await call(path, options)).json();

/** An image behind the token as an address an <img> can show. */
export async function picture(path) {
  return URL.createObjectURL(await (await call(path)).blob());
}

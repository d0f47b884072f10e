// Asks the server; answers that are refusals become errors with their sentence.

export function address(path, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, value);
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

async function answered(response) {
  if (response.ok) return response.json();
  let sentence = `The server answered ${response.status}.`;
  try {
    sentence = (await response.json()).error || sentence;
  } catch {
    // no sentence of ours
  }
  throw new Error(sentence);
}

async function ask(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The viewer does not answer any more. Start `prognoscope view` again.");
  }
}

export async function get(path, params = {}, signal = undefined) {
  return answered(await ask(address(path, params), { signal }));
}

export async function send(method, path, value) {
  const headers = { "content-type": "application/json" };
  return answered(await ask(path, { method, headers, body: JSON.stringify(value) }));
}

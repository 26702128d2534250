// One call over WebRTC: a track each way, and a data channel with client messages each way.

const CONNECT_MS = 15_000;
const GATHER_MS = 3_000;
const GOODBYE_MS = 3_000;
// The server gives a silent peer up after five seconds; what comes back later has no call any more.
const LOST_MS = 10_000;

/** Something that ends the attempt; `message` is for the person, `advice` what they can do. */
export class CallFailed extends Error {
  constructor(message, advice = "") {
    super(message);
    this.advice = advice;
  }
}

/** Ask for the microphone. Throws `CallFailed`. */
export async function openMicrophone() {
  if (!window.isSecureContext || !navigator.mediaDevices) {
    throw new CallFailed("The browser gives no microphone to this page.", "Open it over https, or on localhost.");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true } });
  } catch (error) {
    const known = {
      NotAllowedError: ["The microphone is not allowed.", "Allow it in the browser's site settings, then start again."],
      NotFoundError: ["There is no microphone.", "Connect one, then start again."],
      NotReadableError: ["The microphone cannot be used.", "Another program may hold it; close that, then start again."],
    };
    throw new CallFailed(...(known[error.name] ?? [`The microphone cannot be used (${error.name}).`]));
  }
}

/**
 * Create a call with `target`, `{assistantId}` or `{squadId}`, and connect to it. Throws `CallFailed`.
 * `onLink(well)` tells when the network goes and comes back, `onOver(trouble)` the end.
 */
export async function placeCall({ target, key, microphone, signal, onMessage, onOver, onLink }) {
  const created = await ask("/call/web", {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(target),
    signal,
  });
  if (created.status === "ended") {
    throw new CallFailed(`The call was refused: ${created.endedReason}.`, "Try again when other calls are over.");
  }
  const call = new Call(await ask(created.webCallUrl, { signal }), { onMessage, onOver, onLink });
  signal.addEventListener("abort", () => call.close());
  try {
    await call.connect(created.webCallUrl, microphone, signal);
  } catch (error) {
    call.close();
    throw error;
  }
  return call;
}

class Call {
  constructor({ iceServers }, { onMessage, onOver, onLink }) {
    this.peer = new RTCPeerConnection({ iceServers });
    this.channel = this.peer.createDataChannel("client-messages");
    this.sound = new MediaStream();
    this.over = false;
    this.lost = null;
    this.onOver = onOver;
    this.onLink = onLink;
    this.peer.addEventListener("track", (event) => this.sound.addTrack(event.track));
    this.peer.addEventListener("connectionstatechange", () => this.look());
    this.channel.addEventListener("close", () => this.finish());
    this.channel.addEventListener("message", (event) => onMessage(JSON.parse(event.data)));
  }

  look() {
    const state = this.peer.connectionState;
    const giveUp = () => this.finish("The connection to the server was lost.");
    if (state === "failed") giveUp();
    if (state === "disconnected" && this.lost === null) {
      this.lost = setTimeout(giveUp, LOST_MS);
      this.onLink(false);
    }
    if (state === "connected" && this.lost !== null) {
      clearTimeout(this.lost);
      this.lost = null;
      this.onLink(true);
    }
  }

  async connect(url, microphone, signal) {
    for (const track of microphone.getAudioTracks()) this.peer.addTrack(track, microphone);
    await this.peer.setLocalDescription();
    await gathered(this.peer);
    const answer = await ask(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ type: "offer", sdp: this.peer.localDescription.sdp }),
      signal,
    });
    await this.peer.setRemoteDescription(answer);
    await opened(this.channel, this.peer);
  }

  send(message) {
    if (this.channel.readyState === "open") this.channel.send(JSON.stringify(message));
  }

  /** Hang up; the server says the last word, or is not waited for. */
  hangUp() {
    this.send({ type: "end-call" });
    setTimeout(() => this.finish(), GOODBYE_MS);
  }

  finish(reason = "") {
    if (this.over) return;
    this.close();
    this.onOver(reason);
  }

  close() {
    this.over = true;
    clearTimeout(this.lost);
    this.peer.close();
  }
}

/** JSON of an answer; what the server says against the request otherwise. Throws `CallFailed`. */
async function ask(url, request = {}) {
  let response;
  try {
    response = await fetch(url, { ...request, credentials: "omit" });
  } catch {
    throw new CallFailed("The server does not answer.", "Check the network, then start again.");
  }
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  const message = [body.message].flat().filter(Boolean).join(" ");
  throw new CallFailed(message || `The server answered with ${response.status}.`, body.detail ?? "");
}

function gathered(peer) {
  return new Promise((resolve) => {
    const look = () => peer.iceGatheringState === "complete" && resolve();
    peer.addEventListener("icegatheringstatechange", look);
    setTimeout(resolve, GATHER_MS);
    look();
  });
}

function opened(channel, peer) {
  return new Promise((resolve, reject) => {
    const fail = () =>
      reject(new CallFailed("No connection to the server came about.", "A firewall may block UDP; try another network."));
    const timer = setTimeout(fail, CONNECT_MS);
    channel.addEventListener("open", () => (clearTimeout(timer), resolve()));
    peer.addEventListener("connectionstatechange", () => peer.connectionState === "failed" && fail());
  });
}

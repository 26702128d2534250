// The page: what the person sees and presses.

import { CallFailed, openMicrophone, placeCall } from "./call.js";
import { Ears } from "./sound.js";

const at = (id) => document.getElementById(id);
const NAMES = { user: "You", assistant: "Assistant" };
const player = new Audio();
let line = null;

at("assistant").value = new URLSearchParams(location.search).get("assistant") ?? "";
// Behind the # it reaches no server and no log.
at("key").value = new URLSearchParams(location.hash.slice(1)).get("key") ?? "";

at("start").addEventListener("submit", async (event) => {
  event.preventDefault();
  at("begin").disabled = true;
  at("error").hidden = true;
  try {
    await dial(at("assistant").value.trim(), at("key").value.trim());
  } catch (error) {
    over();
    if (!(error instanceof CallFailed)) console.error(error);
    fail(error instanceof CallFailed ? error : new CallFailed("The call could not be started.", error.message));
    at("begin").focus();
  }
});

async function dial(assistantId, key) {
  at("transcript").replaceChildren();
  at("latency").value = "–";
  say("Waiting for the microphone …");
  const microphone = await openMicrophone();
  const dialled = { microphone, ears: null, call: null, reason: "" };
  line = dialled;
  say("Connecting …");
  dialled.call = await placeCall({ assistantId, key, microphone, onMessage: take, onOver: hungUp });
  // It may have been ended in the meantime, which has been said then.
  if (line !== dialled) return;
  player.srcObject = dialled.call.sound;
  player.play().catch(() => say("Connected, but the browser does not play sound. Press any button."));
  dialled.ears = new Ears({ own: microphone, their: dialled.call.sound }, showLevel, showLatency);
  at("start").hidden = true;
  at("call").hidden = at("talk").hidden = at("write").hidden = false;
  say("Connected. Speak when you like.");
  at("mute").focus();
}

function take(message) {
  if (message.type.startsWith("transcript")) {
    write(message.role, message.transcript, message.transcriptType === "partial");
  } else if (message.type === "tool-calls") {
    const names = (message.toolCallList ?? []).map((call) => call.function?.name ?? call.name).join(", ");
    note(`The assistant uses ${names || "a tool"}.`);
  } else if (message.type === "status-update" && message.status === "ended" && line) {
    line.reason = message.endedReason ?? "";
  } else if (message.type === "error") {
    fail(new CallFailed("The server ended the call.", message.message));
  }
}

function write(role, words, partial) {
  const log = at("transcript");
  const last = log.lastElementChild;
  const continues = last?.dataset.role === role;
  const paragraph = continues ? last : paragraphOf(role);
  const [whole, forming] = paragraph.querySelectorAll("span");
  if (!partial) whole.textContent = `${whole.textContent} ${words}`.trim();
  forming.textContent = partial ? ` ${words}` : "";
  log.scrollTop = log.scrollHeight;
}

function paragraphOf(role) {
  const paragraph = document.createElement("p");
  paragraph.dataset.role = role;
  const name = document.createElement("b");
  name.textContent = NAMES[role] ?? role;
  const whole = document.createElement("span");
  const forming = document.createElement("span");
  forming.className = "partial";
  // Guesses change many times a second; only what is final is read out.
  forming.ariaHidden = "true";
  paragraph.append(name, whole, forming);
  at("transcript").append(paragraph);
  return paragraph;
}

function note(words) {
  const paragraph = document.createElement("p");
  paragraph.className = "note";
  paragraph.textContent = words;
  at("transcript").append(paragraph);
}

function showLevel(name, level) {
  at(`${name}-level`).value = level;
}

function showLatency(ms) {
  at("latency").value = `${Math.round(ms)} ms`;
}

at("mute").addEventListener("click", () => {
  const muted = at("mute").textContent === "Mute";
  for (const track of line.microphone.getAudioTracks()) track.enabled = !muted;
  showMuted(muted);
  say(muted ? "You are muted." : "You can be heard.");
});

at("end").addEventListener("click", () => {
  at("end").disabled = true;
  say("Hanging up …");
  line.call.hangUp();
});

at("write").addEventListener("submit", (event) => {
  event.preventDefault();
  const words = at("text").value.trim();
  if (!words) return;
  line.call.send({ type: "add-message", message: { role: "user", content: words }, triggerResponseEnabled: true });
  write("user", words, false);
  at("text").value = "";
});

function hungUp(trouble) {
  const reason = line?.reason ?? "";
  over();
  if (trouble) fail(new CallFailed(trouble, "Start the call again."));
  say(reason ? `The call is over (${reason}).` : "The call is over.");
  at("begin").focus();
}

function over() {
  line?.call?.close();
  line?.ears?.close();
  for (const track of line?.microphone.getTracks() ?? []) track.stop();
  line = null;
  player.srcObject = null;
  showMuted(false);
  at("begin").disabled = at("end").disabled = false;
  at("call").hidden = at("write").hidden = true;
  at("start").hidden = false;
  say("");
}

function showMuted(muted) {
  at("mute").textContent = muted ? "Unmute" : "Mute";
  at("mute").classList.toggle("quiet", !muted);
}

function say(words) {
  at("status").textContent = words;
}

function fail({ message, advice }) {
  const headline = document.createElement("strong");
  headline.textContent = message;
  at("error").replaceChildren(headline, advice ?? "");
  at("error").hidden = false;
}

addEventListener("pagehide", () => line?.call?.close());

// How loud a stream is, and how long the assistant took to answer.

const EVERY_MS = 20;
const SPEECH_LEVEL = 0.02;
const NEW_ANSWER_MS = 300;

/** Calls `onLevel(name, 0..1)` for each stream and `onAnswer(ms)` at the first sound after the person's last. */
export class Ears {
  constructor(streams, onLevel, onAnswer) {
    this.context = new AudioContext();
    this.context.resume();
    this.listeners = Object.entries(streams).map(([name, stream]) => {
      const analyser = this.context.createAnalyser();
      analyser.fftSize = 1024;
      this.context.createMediaStreamSource(stream).connect(analyser);
      return { name, analyser, samples: new Float32Array(analyser.fftSize) };
    });
    this.onLevel = onLevel;
    this.onAnswer = onAnswer;
    this.lastLoud = {};
    this.timer = setInterval(() => this.look(), EVERY_MS);
  }

  look() {
    const now = performance.now();
    for (const { name, analyser, samples } of this.listeners) {
      analyser.getFloatTimeDomainData(samples);
      const loudness = Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length);
      this.onLevel(name, Math.min(1, loudness * 4));
      if (loudness < SPEECH_LEVEL) continue;
      const { own, their = -Infinity } = this.lastLoud;
      if (name === "their" && own > their && now - their > NEW_ANSWER_MS) this.onAnswer(now - own);
      this.lastLoud[name] = now;
    }
  }

  close() {
    clearInterval(this.timer);
    this.context.close();
  }
}

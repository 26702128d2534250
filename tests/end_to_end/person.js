// What a person in front of the page has: a mouth, ears and eyes. Put into the page before its own scripts.
(() => {
  // Root mean square of full scale that speech has and the sound of an office has not.
  const LOUD = 0.02;
  const QUIET_MS = 1000;
  const HEARING_HZ = 16000;
  const person = (window.person = { heard: [], loud: -Infinity, spoken: 0 });
  const written = (selector) =>
    [...document.querySelectorAll("#transcript " + selector)].map((part) => part.textContent).join(" ");
  const now = () => performance.now();

  // A mouth where the microphone was: the browser is still asked for one.
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    for (const track of (await real(wanted)).getTracks()) track.stop();
    person.context = new AudioContext();
    person.mouth = person.context.createMediaStreamDestination();
    // A microphone gives silence where nobody speaks; a destination that nothing feeds gives nothing at all.
    const silence = new ConstantSourceNode(person.context, { offset: 0 });
    silence.connect(person.mouth);
    silence.start();
    return person.mouth.stream;
  };

  // Ears at what the page plays.
  const Peer = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Peer {
    constructor(...given) {
      super(...given);
      this.addEventListener("track", ({ track }) => {
        const sound = new MediaStream([track]);
        // Whole also where the page itself is held up.
        person.recorder = new MediaRecorder(sound);
        person.recorder.ondataavailable = ({ data }) => person.heard.push(data);
        person.recorder.start(1000);
        const context = new AudioContext();
        const analyser = context.createAnalyser();
        context.createMediaStreamSource(sound).connect(analyser);
        const samples = new Float32Array(analyser.fftSize);
        setInterval(() => {
          analyser.getFloatTimeDomainData(samples);
          const loudness = Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length);
          if (loudness > LOUD) person.loud = now();
        }, 20);
      });
    }
  };

  person.words = () => written("[data-role=assistant] span:not(.partial)");
  person.over = () => /over/.test(document.getElementById("status").textContent);
  person.mark = () => { person.read = person.words().length; person.spoken = now(); };

  person.say = (audio) => new Promise((resolve) => {
    person.mark();
    const bytes = Uint8Array.from(atob(audio), (letter) => letter.charCodeAt(0));
    const samples = Float32Array.from(new Int16Array(bytes.buffer), (value) => value / 32768);
    const buffer = person.context.createBuffer(1, samples.length, HEARING_HZ);
    buffer.copyToChannel(samples, 0);
    const source = new AudioBufferSourceNode(person.context, { buffer });
    source.connect(person.mouth);
    source.onended = () => { person.spoken = now(); resolve(); };
    source.start();
  });

  // Whether what was heard and read since one spoke has the answer in it; false where only other words came, or none.
  person.answered = (answer, puzzledMs, patienceMs) => new Promise((resolve) => {
    const began = now();
    const timer = setInterval(() => {
      const told = person.words().slice(person.read ?? 0).toLowerCase();
      const quiet = now() - Math.max(person.loud, person.spoken);
      const settle = (outcome) => { clearInterval(timer); resolve(outcome); };
      if (person.over()) settle(true);
      else if (person.loud > person.spoken && quiet > QUIET_MS && told && told.includes(answer)) settle(true);
      else if (told ? quiet > puzzledMs : now() - began > patienceMs) settle(false);
    }, 40);
  });

  // What was heard so far, as a file.
  person.recollect = async () => {
    if (person.recorder.state !== "inactive") {
      const stopped = new Promise((resolve) => { person.recorder.onstop = resolve; });
      person.recorder.stop();
      await stopped;
    }
    const bytes = new Uint8Array(await new Blob(person.heard).arrayBuffer());
    const letters = [];
    for (let from = 0; from < bytes.length; from += 32768) {
      letters.push(String.fromCharCode(...bytes.subarray(from, from + 32768)));
    }
    return btoa(letters.join(""));
  };
})()

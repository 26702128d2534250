// What was said, written down: a paragraph for each side's turn, notes in between.

const NAMES = { user: "You", assistant: "Assistant" };
const NEAR_THE_END_PX = 48;
// Words that are only half heard may never come to anything; what is heard much later is something else.
const FORMING_MS = 5_000;

export class Transcript {
  constructor(log) {
    this.log = log;
    this.clear();
  }

  clear() {
    this.log.replaceChildren();
    this.names = { ...NAMES };
    this.forming = {};
    this.exact = false;
  }

  /** From now on the assistant has this name. */
  name(assistant) {
    this.names.assistant = assistant || NAMES.assistant;
  }

  /** What the server heard one side say; from then on this alone is what was said. */
  hear(role, words, partial) {
    this.exact = true;
    this.write(role, words, partial);
  }

  /** What one side says: `partial` words are replaced by those that come after them. */
  write(role, words, partial = false) {
    this.follow(() => {
      const paragraph = this.open(role);
      const [whole, forming] = paragraph.querySelectorAll("span");
      if (!partial) whole.textContent = `${whole.textContent} ${words}`.trim();
      forming.textContent = partial ? ` ${words}` : "";
      if (partial) this.forming[role] = { paragraph, at: performance.now() };
      else delete this.forming[role];
    });
  }

  /** The whole conversation so far, for assistants that have no transcript sent. */
  show(messages) {
    if (this.exact) return;
    this.follow(() => {
      const written = [...this.log.querySelectorAll("[data-role]")];
      for (const { role, content } of messages) {
        if (!(role in NAMES) || !content) continue;
        if (written.length && written[0].dataset.role !== role) for (const other of written.splice(0)) other.remove();
        (written.shift() ?? this.paragraph(role)).querySelector("span").textContent = content;
      }
    });
  }

  note(words) {
    this.follow(() => {
      const paragraph = document.createElement("p");
      paragraph.className = "note";
      paragraph.textContent = words;
      this.log.append(paragraph);
    });
  }

  /** A key that the person pressed; several in a row are one note. */
  pressed(key) {
    const last = this.log.lastElementChild;
    if (last?.dataset.keys === undefined) this.note("");
    const note = this.log.lastElementChild;
    note.dataset.keys = (note.dataset.keys ?? "") + key;
    note.textContent = `You pressed ${note.dataset.keys}`;
  }

  /** Where a side's next words go: on from what it is saying. */
  open(role) {
    const before = this.forming[role];
    if (before && performance.now() - before.at < FORMING_MS) return before.paragraph;
    const last = this.log.lastElementChild;
    if (before && before.paragraph !== last) this.forget(before.paragraph);
    return last?.dataset.role === role && last.dataset.name === this.names[role] ? last : this.paragraph(role);
  }

  forget(paragraph) {
    const [whole, forming] = paragraph.querySelectorAll("span");
    forming.textContent = "";
    if (!whole.textContent) paragraph.remove();
  }

  paragraph(role) {
    const paragraph = document.createElement("p");
    paragraph.dataset.role = role;
    paragraph.dataset.name = this.names[role] ?? role;
    const name = document.createElement("b");
    name.textContent = paragraph.dataset.name;
    const whole = document.createElement("span");
    const forming = document.createElement("span");
    forming.className = "partial";
    // Guesses change many times a second; only what is final is read out.
    forming.ariaHidden = "true";
    paragraph.append(name, whole, forming);
    this.log.append(paragraph);
    return paragraph;
  }

  /** Keep the end in sight, unless the person has scrolled back to read. */
  follow(change) {
    const { scrollHeight, scrollTop, clientHeight } = this.log;
    const atEnd = scrollHeight - scrollTop - clientHeight < NEAR_THE_END_PX;
    change();
    if (atEnd) this.log.scrollTop = this.log.scrollHeight;
  }
}

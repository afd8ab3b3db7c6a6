// A long list as a reader takes it in: what a word chooses, and of that the first ones until more are asked for.

const step = 50;

export class Few<T> {
  word = $state("");
  private most = $state(step);
  readonly all = $derived.by(() => this.list());
  readonly chosen = $derived.by(() => {
    const word = this.word.trim().toLowerCase();
    return word === "" ? this.all : this.all.filter((one) => this.text(one).toLowerCase().includes(word));
  });
  readonly shown = $derived.by(() => this.chosen.slice(0, this.most));

  // text is what a word is looked for in.
  constructor(private readonly list: () => T[], private readonly text: (one: T) => string) {}

  // long: there are so many that a reader wants to choose, or a word chooses, which must be seen to be taken back.
  get long(): boolean {
    return this.all.length > 10 || this.word !== "";
  }

  get left(): number {
    return this.chosen.length - this.shown.length;
  }

  more = (): void => {
    this.most += step;
  };
}

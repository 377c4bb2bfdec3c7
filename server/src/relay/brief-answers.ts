/**
 * Answers that hold for a moment, by sandbox: what strangers ask costs one query in that time, however often they guess,
 * and that there is no such sandbox is an answer, too.
 */
export interface BriefAnswers<T> {
  /** The last answer, or what `find` finds. What it throws is nobody's answer but theirs who waited for it. */
  get(sandboxId: string): Promise<T>;
  /** A sandbox has moved on. */
  forget(sandboxId: string): void;
}

export interface BriefAnswersOptions<T> {
  readonly find: (sandboxId: string) => Promise<T>;
  readonly keepMs: number;
  /** Monotonic, in ms. */
  readonly now: () => number;
}

const maxEntries = 10_000;

export function createBriefAnswers<T>({ find, keepMs, now }: BriefAnswersOptions<T>): BriefAnswers<T> {
  const entries = new Map<string, { readonly answer: Promise<T>; readonly until: number }>();
  return {
    get(sandboxId) {
      const entry = entries.get(sandboxId);
      if (entry && entry.until > now()) return entry.answer;
      if (entries.size >= maxEntries) entries.clear();
      const answer = find(sandboxId);
      entries.set(sandboxId, { answer, until: now() + keepMs });
      answer.catch(() => {
        if (entries.get(sandboxId)?.answer === answer) entries.delete(sandboxId);
      });
      return answer;
    },
    forget: (sandboxId) => void entries.delete(sandboxId),
  };
}

/** A double-ended queue on a ring buffer: the part of its face that is used here. */
export class Deque<T> implements Iterable<T> {
  constructor(source?: Iterable<T>);
  get length(): number;
  pushBack(value: T, ...rest: T[]): number;
  pushFront(value: T, ...rest: T[]): number;
  popFront(): T | undefined;
  popBack(): T | undefined;
  peekFront(): T | undefined;
  at(index: number): T | undefined;
  clear(): void;
  [Symbol.iterator](): IterableIterator<T>;
}

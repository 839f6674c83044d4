// The arithmetic of a tally sheet, as the server checks it (src/protocols/figures.rs).

export const NUMBERS = [
  "voters_on_list", "ballots_received", "issued_in_station", "issued_mobile", "spoiled", "unused", "found_in_boxes", "invalid", "against_all",
] as const;
export type NumberName = (typeof NUMBERS)[number];
export type Numbers = Partial<Record<NumberName, number>>;

export interface Check {
  name: string;
  /** By how many ballots it is broken; undefined where a figure is missing. */
  difference: number | undefined;
  holds: boolean | undefined;
}

const sum = (...parts: (number | undefined)[]): number | undefined =>
  parts.reduce((total, part) => (total === undefined || part === undefined ? undefined : total + part), 0 as number | undefined);

export function checks(numbers: Numbers, votes: number[]): Check[] {
  const issued = numbers.issued_in_station === undefined ? undefined : numbers.issued_in_station + (numbers.issued_mobile ?? 0);
  const valid = votes.length ? votes.reduce((a, b) => a + b, 0) + (numbers.against_all ?? 0) : undefined;
  const highest = votes.length ? Math.max(...votes) : undefined;
  const compare = (name: string, left: number | undefined, right: number | undefined, within: boolean): Check => {
    const difference = left === undefined || right === undefined ? undefined : left - right;
    return { name, difference, holds: difference === undefined ? undefined : within ? difference <= 0 : difference === 0 };
  };
  return [
    compare("received_equals_issued_unused_spoiled", numbers.ballots_received, sum(issued, numbers.unused, numbers.spoiled), false),
    compare("issued_within_list", issued, numbers.voters_on_list, true),
    compare("mobile_within_issued", numbers.issued_mobile, numbers.ballots_received, true),
    compare("found_within_issued", numbers.found_in_boxes, issued, true),
    compare("found_equals_votes_and_invalid", numbers.found_in_boxes, sum(valid, numbers.invalid), false),
    compare("each_within_found", highest, numbers.found_in_boxes, true),
  ];
}

import { expect, test } from "vitest";
import type { MemberId } from "../../../src/bytes/u64.ts";
import { confStateJson, parseConfStateJson } from "../../../src/etcd-files/membership/conf-state-json.ts";

test("confState: voters by number, with all their digits, as etcd writes them", () => {
  const written = confStateJson([15828928811758756985n, 930518115684710596n, 3394535488349957082n] as MemberId[]);
  expect(Buffer.from(written).toString()).toBe('{"voters":[930518115684710596,3394535488349957082,15828928811758756985],"auto_leave":false}');
  expect(parseConfStateJson(written)).toEqual({
    voters: [930518115684710596n, 3394535488349957082n, 15828928811758756985n],
    learners: [],
    votersOutgoing: [],
    learnersNext: [],
    autoLeave: false,
  });
});

test("confState: all of raft's fields are read, and 3.7's shorter form", () => {
  const text = '{"voters":[1],"learners":[2],"voters_outgoing":[3],"learners_next":[4],"auto_leave":true}';
  expect(parseConfStateJson(Buffer.from(text))).toEqual({ voters: [1n], learners: [2n], votersOutgoing: [3n], learnersNext: [4n], autoLeave: true });
  expect(parseConfStateJson(Buffer.from('{"voters":[1]}'))).toMatchObject({ voters: [1n], autoLeave: false });
});

test.each(["", "[]", '{"voters":1}', '{"voters":[-1]}', '{"learners":["1"]}', '{"auto_leave":1}'])(
  "confState: %j is refused with its place in the file",
  (text) => {
    expect(() => parseConfStateJson(Buffer.from(text), 5)).toThrow(expect.objectContaining({ name: "FormatError", code: "BBOLT_ROW_INVALID", offset: 5 }));
  },
);

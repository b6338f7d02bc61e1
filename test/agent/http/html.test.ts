import fc from "fast-check";
import { XmlDocument } from "libxml2-wasm";
import { expect, test } from "vitest";
import { html, trusted } from "../../../src/agent/http/html.ts";
import { runs, SEED } from "../../support/counts.ts";

test("html: any text stays one text, and one value of an attribute", () => {
  const text = fc.array(fc.oneof(fc.constantFrom(..."<>&\"'`= "), fc.constantFrom("-->", "]]>", "$&", "\u0000", "\u202e", "\ud800"), fc.string()), {
    maxLength: 6,
  });
  fc.assert(
    fc.property(text, (parts) => {
      const value = parts.join("");
      using document = XmlDocument.fromString(html`<p title="${value}">${value}</p>`.markup);
      const { attrs, content } = document.root;
      expect(attrs.map(({ name }) => name)).toEqual(["title"]);
      expect(attrs[0]!.value).toBe(content.replace(/[\t\n]/g, " ")); // XML 1.0 §3.3.3: blanks of an attribute.
      expect(document.root.firstChild?.next ?? null).toBeNull();
      if (/^[ -~]*$/.test(value)) expect(content).toBe(value);
    }),
    { seed: SEED, numRuns: runs(300, 10_000) },
  );
});

test("html: quotes of both kinds and backquotes are escaped, for attributes that were written with any of them", () => {
  expect(html`${"\"'`<>&"}`.markup).toBe("&quot;&#39;&#96;&lt;&gt;&amp;");
});

test("html: markup is kept where it was made here, and absent values are nothing", () => {
  expect(html`<ul>${[1, "<", html`<li>${"&"}</li>`]}${null}${undefined}${false}${0}</ul>${trusted("<br/>")}`.markup).toBe("<ul>1&lt;<li>&amp;</li>0</ul><br/>");
});

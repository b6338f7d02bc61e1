// versitygw tells of an older version when it was overwritten, and of a deletion when the object had been written. Amazon's S3 tells when each was
// made; here the version ids hold that, as ULIDs do. This proxy in front of versitygw puts those times into its lists of versions.
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";

/** https://github.com/ulid/spec: Crockford's base32, of which the first ten characters are milliseconds. */
const ULID_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

export interface VersionTimes {
  readonly url: string;
  close(): Promise<void>;
}

/** The host name that requests are signed for is passed on as it is. */
export async function withVersionTimes(serverUrl: string): Promise<VersionTimes> {
  const { hostname, port } = new URL(serverUrl);
  const proxy = createServer((incoming, outgoing) => {
    const { method = "GET", url = "/", headers } = incoming;
    const forwarded = request({ hostname, port, method, path: url, headers, agent: false }, (answer) => {
      if (!/[?&]versions/.test(url)) {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
        return;
      }
      answer.setEncoding("utf8");
      let text = "";
      answer.on("data", (chunk: string) => {
        text += chunk;
      });
      answer.on("end", () => {
        const { "content-length": _, "transfer-encoding": __, ...rest } = answer.headers;
        outgoing.writeHead(answer.statusCode ?? 502, rest).end(corrected(text));
      });
    });
    forwarded.on("error", () => outgoing.destroy());
    incoming.on("error", () => forwarded.destroy());
    incoming.pipe(forwarded);
  });
  await new Promise<void>((resolve) => void proxy.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        proxy.close(() => resolve());
        proxy.closeAllConnections();
      }),
  };
}

function corrected(xml: string): string {
  return xml.replaceAll(/<(Version|DeleteMarker)>.*?<\/\1>/gs, (element) => {
    const id = /<VersionId>([0-9A-Z]{26})<\/VersionId>/.exec(element)?.[1];
    if (id === undefined) return element;
    return element.replace(/<LastModified>.*?<\/LastModified>/, `<LastModified>${new Date(ulidTime(id)).toISOString()}</LastModified>`);
  });
}

function ulidTime(id: string): number {
  return [...id.slice(0, 10)].reduce((time, digit) => time * 32 + ULID_DIGITS.indexOf(digit), 0);
}

// The time as the store tells it: in the Date header of whatever it answers, a refusal too.
import { HeadBucketCommand } from "@aws-sdk/client-s3";
import { clockReading } from "../bytes/date-header.ts";
import type { StoreClock } from "./capabilities.ts";
import type { S3Place } from "./s3-objects.ts";

export function s3Clock({ connection, location }: S3Place): StoreClock {
  const what = `ask for the time of ${location}`;
  return {
    now: async (options) => {
      const { monotonicMs } = connection.runtime;
      const [date, wayMs] = await connection.ask(
        what,
        async (client, send) => {
          const command = new HeadBucketCommand({ Bucket: connection.bucket });
          let date: string | undefined;
          command.middlewareStack.add(
            (next) => async (args) => {
              const result = await next(args);
              date = (result.response as { headers?: Record<string, string> }).headers?.["date"];
              return result;
            },
            { step: "deserialize", priority: "low" },
          );
          const startMs = monotonicMs();
          await client.send(command, send).catch((error: unknown) => {
            if (date === undefined || ((error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode ?? 500) >= 500) throw error;
          });
          return [date, monotonicMs() - startMs] as const;
        },
        options,
      );
      return clockReading(date, wayMs);
    },
  };
}

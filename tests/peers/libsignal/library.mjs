// libsignal as `npm ci` has installed it in the folder that the process was started for.
//
// It finds its native part by import.meta.dirname, which Node 18 does not know; there it looks in the working folder
// instead, so the process must be started in the package's own folder.
import { join } from "node:path";
import { pathToFileURL } from "node:url";

export const signal = await import(pathToFileURL(join(process.cwd(), "dist/index.js")).href);

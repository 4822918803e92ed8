/** Resource names: `systems/{system_id}` and `systems/{system_id}/processes/{process_id}`. */

export const ALL_SYSTEMS = "systems/-";

/** The system that the embedded engine offers from its start. */
export const HOST_SYSTEM = "systems/host";

/** Return the name of the compute system that HCS knows by this id. */
export function systemName(systemId: string): string {
  return `systems/${quote(systemId)}`;
}

/** Return the name of a process in a system. */
export function processName(systemId: string, processId: string): string {
  return `${systemName(systemId)}/processes/${quote(processId)}`;
}

/** Percent-encode all but `A-Z a-z 0-9 . _ ~ @ -`. */
function quote(id: string): string {
  return encodeURIComponent(id)
    .replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%40", "@");
}

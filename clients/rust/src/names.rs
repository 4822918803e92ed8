//! Resource names: `systems/{system_id}` and `systems/{system_id}/processes/{process_id}`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All systems, as a `parent`.
pub const ALL_SYSTEMS: &str = "systems/-";
/// The system that the embedded engine offers from its start.
pub const HOST_SYSTEM: &str = "systems/host";

const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// Returns the name of the compute system that HCS knows by this id.
#[must_use]
pub fn system_name(system_id: &str) -> String {
    format!("systems/{}", utf8_percent_encode(system_id, ESCAPED))
}

/// Returns the name of a process in a system.
#[must_use]
pub fn process_name(system_id: &str, process_id: &str) -> String {
    let process_id = utf8_percent_encode(process_id, ESCAPED);
    format!("{}/processes/{process_id}", system_name(system_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_escaped_in_names() {
        assert_eq!(process_name("a/b %@", "p~1"), "systems/a%2Fb%20%25@/processes/p~1");
    }
}

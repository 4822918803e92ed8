"""What an old computecore.dll lacks, written down from documentation and reports, not from our table."""

LACKS = frozenset(
    {
        # Their pages name a later Windows than 10 1809.
        "HcsGetProcessorCompatibilityFromSavedState",
        "HcsWaitForComputeSystemExit",
        "HcsWaitForProcessExit",
        "HcsGrantVmGroupAccess",
        "HcsRevokeVmGroupAccess",
        # Its page names Windows 10 1809, but a build of that is reported to lack it.
        "HcsCrashComputeSystem",
    }
)

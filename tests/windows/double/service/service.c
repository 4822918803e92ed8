/*
 * The service's own exports, and those that only say "not supported".
 */
#include "double.h"

CRITICAL_SECTION double_lock;
CONDITION_VARIABLE double_changed = CONDITION_VARIABLE_INIT;

void lock(void)
{
    EnterCriticalSection(&double_lock);
}

void unlock(void)
{
    LeaveCriticalSection(&double_lock);
}

HRESULT WINAPI HcsGetServiceProperties(PCWSTR propertyQuery, PWSTR *result)
{
    Fault fault = fault_take("HcsGetServiceProperties");
    Failure failure = {0};
    HRESULT code = fault.start;
    WCHAR *document = NULL;

    if (fault.block_ms)
        fault_wait(fault.block_ms);
    if (code) {
        failure.code = code;
        failure.message = copy_text(fault.message);
        failure.no_document = fault.no_document;
    } else if (parse_service_query(propertyQuery, &failure)) {
        /* The highest minor of each major, which implies those below. */
        document = copy_text(L"{\"Properties\":[{\"SupportedSchemaVersions\":["
                             L"{\"Major\":1,\"Minor\":0},{\"Major\":2,\"Minor\":7}]}]}");
    }
    code = failure.code;
    if (code)
        document = result_error(&failure); /* a string may come with a failure, too */
    fault_edit(&fault, &document);
    if (result)
        *result = give_text(document);
    release(document);
    failure_clear(&failure);
    fault_clear(&fault);
    return code;
}

/* ---- not offered ---- */

#define NOT_OFFERED(name, ...)                                                                     \
    HRESULT WINAPI name(__VA_ARGS__)                                                               \
    {                                                                                              \
        return HR_NOT_SUPPORTED;                                                                   \
    }

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"

NOT_OFFERED(HcsEnumerateComputeSystemsInNamespace, PCWSTR idNamespace, PCWSTR query,
            HCS_OPERATION operation)
NOT_OFFERED(HcsGetProcessorCompatibilityFromSavedState, PCWSTR RuntimeFileName,
            PCWSTR *ProcessorFeaturesString)
NOT_OFFERED(HcsCreateComputeSystemInNamespace, PCWSTR idNamespace, PCWSTR id, PCWSTR configuration,
            HCS_OPERATION operation, const HCS_CREATE_OPTIONS *options, HCS_SYSTEM *computeSystem)
NOT_OFFERED(HcsOpenComputeSystemInNamespace, PCWSTR idNamespace, PCWSTR id, DWORD requestedAccess,
            HCS_SYSTEM *computeSystem)
NOT_OFFERED(HcsCrashComputeSystem, HCS_SYSTEM computeSystem, HCS_OPERATION operation,
            PCWSTR options)
NOT_OFFERED(HcsWaitForComputeSystemExit, HCS_SYSTEM computeSystem, DWORD timeoutMs, PWSTR *result)
NOT_OFFERED(HcsWaitForProcessExit, HCS_PROCESS computeSystem, DWORD timeoutMs, PWSTR *result)
NOT_OFFERED(HcsModifyServiceSettings, PCWSTR settings, PWSTR *result)
NOT_OFFERED(HcsSubmitWerReport, PCWSTR settings)
NOT_OFFERED(HcsCreateEmptyGuestStateFile, PCWSTR guestStateFilePath)
NOT_OFFERED(HcsCreateEmptyRuntimeStateFile, PCWSTR runtimeStateFilePath)
NOT_OFFERED(HcsGrantVmAccess, PCWSTR vmId, PCWSTR filePath)
NOT_OFFERED(HcsRevokeVmAccess, PCWSTR vmId, PCWSTR filePath)
NOT_OFFERED(HcsGrantVmGroupAccess, PCWSTR filePath)
NOT_OFFERED(HcsRevokeVmGroupAccess, PCWSTR filePath)

#pragma GCC diagnostic pop

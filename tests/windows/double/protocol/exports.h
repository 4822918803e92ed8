/*
 * The exports of computecore.dll, and those of the double's own: one row each.
 *
 *   EXPORT(result, name, parameters)     NOTHING(name, parameters): without a result
 *
 * The library makes a stub of each row, the service a call, and build.py takes the names. What a
 * parameter is follows from its type alone, see KIND. Signatures come from mingw's <computecore.h>,
 * so the compiler proves the rows on both sides.
 */
#ifndef EXPORTS_H
#define EXPORTS_H

#include <windows.h>

#include <computecore.h>

#define LIVE_COUNTS 5

HRESULT WINAPI HcsdDoubleScript(PCWSTR json);
void WINAPI HcsdDoubleReset(void);
void WINAPI HcsdDoubleDisconnect(void);
void WINAPI HcsdDoubleLive(UINT64 *counts); /* LIVE_COUNTS of them */
UINT64 WINAPI HcsdDoublePipes(void);
UINT64 WINAPI HcsdDoubleRepeatedStarts(void);

/* clang-format off */
#define EXPORTS(EXPORT, NOTHING)                                                                   \
    EXPORT(HRESULT, HcsCancelOperation, HCS_OPERATION)                                             \
    NOTHING(HcsCloseComputeSystem, HCS_SYSTEM)                                                     \
    NOTHING(HcsCloseOperation, HCS_OPERATION)                                                      \
    NOTHING(HcsCloseProcess, HCS_PROCESS)                                                          \
    EXPORT(HRESULT, HcsCrashComputeSystem, HCS_SYSTEM, HCS_OPERATION, PCWSTR)                      \
    EXPORT(HRESULT, HcsCreateComputeSystem, PCWSTR, PCWSTR, HCS_OPERATION,                         \
           const SECURITY_DESCRIPTOR *, HCS_SYSTEM *)                                              \
    EXPORT(HRESULT, HcsCreateComputeSystemInNamespace, PCWSTR, PCWSTR, PCWSTR, HCS_OPERATION,      \
           const HCS_CREATE_OPTIONS *, HCS_SYSTEM *)                                               \
    EXPORT(HRESULT, HcsCreateEmptyGuestStateFile, PCWSTR)                                          \
    EXPORT(HRESULT, HcsCreateEmptyRuntimeStateFile, PCWSTR)                                        \
    EXPORT(HCS_OPERATION, HcsCreateOperation, const void *, HCS_OPERATION_COMPLETION)              \
    EXPORT(HRESULT, HcsCreateProcess, HCS_SYSTEM, PCWSTR, HCS_OPERATION,                           \
           const SECURITY_DESCRIPTOR *, HCS_PROCESS *)                                             \
    EXPORT(HRESULT, HcsEnumerateComputeSystems, PCWSTR, HCS_OPERATION)                             \
    EXPORT(HRESULT, HcsEnumerateComputeSystemsInNamespace, PCWSTR, PCWSTR, HCS_OPERATION)          \
    EXPORT(HCS_SYSTEM, HcsGetComputeSystemFromOperation, HCS_OPERATION)                            \
    EXPORT(HRESULT, HcsGetComputeSystemProperties, HCS_SYSTEM, HCS_OPERATION, PCWSTR)              \
    EXPORT(void *, HcsGetOperationContext, HCS_OPERATION)                                          \
    EXPORT(UINT64, HcsGetOperationId, HCS_OPERATION)                                               \
    EXPORT(HRESULT, HcsGetOperationResult, HCS_OPERATION, PWSTR *)                                 \
    EXPORT(HRESULT, HcsGetOperationResultAndProcessInfo, HCS_OPERATION,                            \
           HCS_PROCESS_INFORMATION *, PWSTR *)                                                     \
    EXPORT(HCS_OPERATION_TYPE, HcsGetOperationType, HCS_OPERATION)                                 \
    EXPORT(HCS_PROCESS, HcsGetProcessFromOperation, HCS_OPERATION)                                 \
    EXPORT(HRESULT, HcsGetProcessInfo, HCS_PROCESS, HCS_OPERATION)                                 \
    EXPORT(HRESULT, HcsGetProcessProperties, HCS_PROCESS, HCS_OPERATION, PCWSTR)                   \
    EXPORT(HRESULT, HcsGetProcessorCompatibilityFromSavedState, PCWSTR, PCWSTR *)                  \
    EXPORT(HRESULT, HcsGetServiceProperties, PCWSTR, PWSTR *)                                      \
    EXPORT(HRESULT, HcsGrantVmAccess, PCWSTR, PCWSTR)                                              \
    EXPORT(HRESULT, HcsGrantVmGroupAccess, PCWSTR)                                                 \
    EXPORT(HRESULT, HcsModifyComputeSystem, HCS_SYSTEM, HCS_OPERATION, PCWSTR, HANDLE)             \
    EXPORT(HRESULT, HcsModifyProcess, HCS_PROCESS, HCS_OPERATION, PCWSTR)                          \
    EXPORT(HRESULT, HcsModifyServiceSettings, PCWSTR, PWSTR *)                                     \
    EXPORT(HRESULT, HcsOpenComputeSystem, PCWSTR, DWORD, HCS_SYSTEM *)                             \
    EXPORT(HRESULT, HcsOpenComputeSystemInNamespace, PCWSTR, PCWSTR, DWORD, HCS_SYSTEM *)          \
    EXPORT(HRESULT, HcsOpenProcess, HCS_SYSTEM, DWORD, DWORD, HCS_PROCESS *)                       \
    EXPORT(HRESULT, HcsPauseComputeSystem, HCS_SYSTEM, HCS_OPERATION, PCWSTR)                      \
    EXPORT(HRESULT, HcsResumeComputeSystem, HCS_SYSTEM, HCS_OPERATION, PCWSTR)                     \
    EXPORT(HRESULT, HcsRevokeVmAccess, PCWSTR, PCWSTR)                                             \
    EXPORT(HRESULT, HcsRevokeVmGroupAccess, PCWSTR)                                                \
    EXPORT(HRESULT, HcsSaveComputeSystem, HCS_SYSTEM, HCS_OPERATION, PCWSTR)                       \
    EXPORT(HRESULT, HcsSetComputeSystemCallback, HCS_SYSTEM, HCS_EVENT_OPTIONS, const void *,      \
           HCS_EVENT_CALLBACK)                                                                     \
    EXPORT(HRESULT, HcsSetOperationCallback, HCS_OPERATION, const void *,                          \
           HCS_OPERATION_COMPLETION)                                                               \
    EXPORT(HRESULT, HcsSetOperationContext, HCS_OPERATION, const void *)                           \
    EXPORT(HRESULT, HcsSetProcessCallback, HCS_PROCESS, HCS_EVENT_OPTIONS, void *,                 \
           HCS_EVENT_CALLBACK)                                                                     \
    EXPORT(HRESULT, HcsShutDownComputeSystem, HCS_SYSTEM, HCS_OPERATION, PCWSTR)                   \
    EXPORT(HRESULT, HcsSignalProcess, HCS_PROCESS, HCS_OPERATION, PCWSTR)                          \
    EXPORT(HRESULT, HcsStartComputeSystem, HCS_SYSTEM, HCS_OPERATION, PCWSTR)                      \
    EXPORT(HRESULT, HcsSubmitWerReport, PCWSTR)                                                    \
    EXPORT(HRESULT, HcsTerminateComputeSystem, HCS_SYSTEM, HCS_OPERATION, PCWSTR)                  \
    EXPORT(HRESULT, HcsTerminateProcess, HCS_PROCESS, HCS_OPERATION, PCWSTR)                       \
    EXPORT(HRESULT, HcsWaitForComputeSystemExit, HCS_SYSTEM, DWORD, PWSTR *)                       \
    EXPORT(HRESULT, HcsWaitForOperationResult, HCS_OPERATION, DWORD, PWSTR *)                      \
    EXPORT(HRESULT, HcsWaitForOperationResultAndProcessInfo, HCS_OPERATION, DWORD,                 \
           HCS_PROCESS_INFORMATION *, PWSTR *)                                                     \
    EXPORT(HRESULT, HcsWaitForProcessExit, HCS_PROCESS, DWORD, PWSTR *)                            \
    NOTHING(HcsdDoubleDisconnect)                                                                  \
    NOTHING(HcsdDoubleLive, UINT64 *)                                                              \
    EXPORT(UINT64, HcsdDoublePipes)                                                                \
    EXPORT(UINT64, HcsdDoubleRepeatedStarts)                                                       \
    NOTHING(HcsdDoubleReset)                                                                       \
    EXPORT(HRESULT, HcsdDoubleScript, PCWSTR)
/* clang-format on */

/* ---- a number for each ---- */

#define NUMBER_EXPORT(result, name, ...) CALL_##name,
#define NUMBER_NOTHING(name, ...) CALL_##name,

typedef enum ExportNumber {
    EXPORTS(NUMBER_EXPORT, NUMBER_NOTHING) CALL_COUNT
} ExportNumber;

/* ---- parameters ---- */

#define KIND_VALUE 'v'       /* a number, or an address that means something to the client alone */
#define KIND_HANDLE 'h'      /* HCS_SYSTEM, HCS_PROCESS */
#define KIND_OPERATION 'o'   /* HCS_OPERATION */
#define KIND_TEXT 't'        /* a string, or NULL */
#define KIND_OUT_HANDLE 'H'  /* where a handle is put */
#define KIND_OUT_TEXT 'T'    /* where a string is put that the client frees */
#define KIND_OUT_PROCESS 'P' /* where process information is put */
#define KIND_OUT_COUNTS 'C'  /* where LIVE_COUNTS numbers are put */
#define MAX_PARAMETERS 6

#define KIND(type)                                                                                 \
    _Generic((type)0,                                                                              \
        PCWSTR: KIND_TEXT,                                                                         \
        HCS_SYSTEM: KIND_HANDLE,                                                                   \
        HCS_PROCESS: KIND_HANDLE,                                                                  \
        HCS_OPERATION: KIND_OPERATION,                                                             \
        HCS_SYSTEM *: KIND_OUT_HANDLE,                                                             \
        HCS_PROCESS *: KIND_OUT_HANDLE,                                                            \
        PWSTR *: KIND_OUT_TEXT,                                                                    \
        PCWSTR *: KIND_OUT_TEXT,                                                                   \
        HCS_PROCESS_INFORMATION *: KIND_OUT_PROCESS,                                               \
        UINT64 *: KIND_OUT_COUNTS,                                                                 \
        default: KIND_VALUE)

/* What `one` makes of each parameter: one(type, name, index). */
#define JOIN(left, right) JOIN_(left, right)
#define JOIN_(left, right) left##right
#define COUNT(...) COUNT_(__VA_ARGS__ __VA_OPT__(, ) 6, 5, 4, 3, 2, 1, 0)
#define COUNT_(a, b, c, d, e, f, count, ...) count
#define EACH(one, ...) JOIN(EACH, COUNT(__VA_ARGS__))(one __VA_OPT__(, ) __VA_ARGS__)
#define EACH0(one)
#define EACH1(one, A) one(A, a, 0)
#define EACH2(one, A, B) EACH1(one, A), one(B, b, 1)
#define EACH3(one, A, B, C) EACH2(one, A, B), one(C, c, 2)
#define EACH4(one, A, B, C, D) EACH3(one, A, B, C), one(D, d, 3)
#define EACH5(one, A, B, C, D, E) EACH4(one, A, B, C, D), one(E, e, 4)
#define EACH6(one, A, B, C, D, E, F) EACH5(one, A, B, C, D, E), one(F, f, 5)

#define ONE_KIND(type, name, index) KIND(type)
#define KINDS(...) {EACH(ONE_KIND, __VA_ARGS__) __VA_OPT__(, ) 0}

#endif

/*
 * The life of the DLL.
 *
 *   loaded ──the first call──▶ in a session, see session.c ──the process ends──▶ goodbye is said
 *
 * A process that is killed says none, and the service notices. The DLL is never unloaded, since the
 * service may call back at any time.
 */
#include "library.h"

HINSTANCE library_module;
CRITICAL_SECTION library_lock;
CONDITION_VARIABLE library_changed = CONDITION_VARIABLE_INIT;
DWORD library_delivery;

BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, void *reserved)
{
    HMODULE pinned;

    if (reason == DLL_PROCESS_ATTACH) {
        library_module = instance;
        DisableThreadLibraryCalls(instance);
        InitializeCriticalSection(&library_lock);
        library_delivery = TlsAlloc();
        GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN,
                           (const WCHAR *)(void *)DllMain, &pinned);
    } else if (reason == DLL_PROCESS_DETACH && reserved) {
        session_goodbye(); /* no other thread is left, and locks are as these left them */
    }
    return TRUE;
}

void lock(void)
{
    EnterCriticalSection(&library_lock);
}

void unlock(void)
{
    LeaveCriticalSection(&library_lock);
}

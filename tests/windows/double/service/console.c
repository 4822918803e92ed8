/*
 * Pseudo consoles: what those of Wine 8 lack.
 *
 * A process that is attached to a console is needed for some of it: that is console.exe, beside this
 * program, started with the console and waited for.
 */
#include "double.h"

#include <stdlib.h>
#include <wchar.h>

/* The folder of this program, where console.exe is. */
static void beside_us(WCHAR path[MAX_PATH], const WCHAR *name)
{
    HMODULE module = NULL;

    GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS |
                           GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                       (const WCHAR *)(void *)beside_us, &module);
    GetModuleFileNameW(module, path, MAX_PATH);
    wcscpy(wcsrchr(path, L'\\') + 1, name);
}

static DWORD run_attached(HPCON console, const WCHAR *arguments)
{
    WCHAR program[MAX_PATH], command[MAX_PATH + 32];
    STARTUPINFOEXW info = {.StartupInfo = {.cb = sizeof(info), .dwFlags = STARTF_USESTDHANDLES}};
    PROCESS_INFORMATION made;
    SIZE_T size = 0;
    DWORD code = 0;

    beside_us(program, L"console.exe");
    swprintf(command, ARRAYSIZE(command), L"\"%ls\" %ls", program, arguments);
    InitializeProcThreadAttributeList(NULL, 1, 0, &size);
    info.lpAttributeList = allocate(size);
    if (InitializeProcThreadAttributeList(info.lpAttributeList, 1, 0, &size) &&
        UpdateProcThreadAttribute(info.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE,
                                  console, sizeof(console), NULL, NULL) &&
        CreateProcessW(program, command, NULL, NULL, FALSE, EXTENDED_STARTUPINFO_PRESENT, NULL,
                       NULL, &info.StartupInfo, &made)) {
        WaitForSingleObject(made.hProcess, INFINITE);
        GetExitCodeProcess(made.hProcess, &code);
        CloseHandle(made.hThread);
        CloseHandle(made.hProcess);
    }
    DeleteProcThreadAttributeList(info.lpAttributeList);
    release(info.lpAttributeList);
    return code;
}

bool console_handles(HPCON console, HANDLE *input, HANDLE *output)
{
    WCHAR arguments[32];
    DWORD code;

    swprintf(arguments, ARRAYSIZE(arguments), L"%lu", GetCurrentProcessId());
    code = run_attached(console, arguments);
    *input = (HANDLE)(ULONG_PTR)(code >> 16);
    *output = (HANDLE)(ULONG_PTR)(code & 0xFFFF);
    return code != 0;
}

bool console_resize(HPCON console, COORD size)
{
    WCHAR arguments[32];

    if (SUCCEEDED(ResizePseudoConsole(console, size)))
        return true;
    swprintf(arguments, ARRAYSIZE(arguments), L"%d %d", size.X, size.Y);
    return run_attached(console, arguments) != 0;
}

/* It may wait until its output has been read, which is not ours to wait for. */
static void CALLBACK close_now(PTP_CALLBACK_INSTANCE instance, void *console)
{
    (void)instance;
    ClosePseudoConsole(console);
}

void console_close(HPCON console)
{
    if (!TrySubmitThreadpoolCallback(close_now, console, NULL))
        abort();
}

/*
 * What only a process that is attached to a console can do to it, and Wine 8 does not.
 *
 *   console.exe PID             give handles of the console to that process
 *   console.exe COLUMNS ROWS    set its size
 *
 * Wine attaches a process that is started with a pseudo console, but leaves it without standard
 * handles; the values of those given here are the two halves of the exit code. Its
 * ResizePseudoConsole is not implemented. Exit code 0 is failure.
 */
#include <windows.h>

#include <wchar.h>

static DWORD give(const WCHAR *name, HANDLE receiver)
{
    HANDLE opened = CreateFileW(name, GENERIC_READ | GENERIC_WRITE,
                                FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
    HANDLE given = NULL;

    if (opened == INVALID_HANDLE_VALUE || !receiver ||
        !DuplicateHandle(GetCurrentProcess(), opened, receiver, &given, 0, TRUE,
                         DUPLICATE_SAME_ACCESS))
        return 0;
    return (ULONG_PTR)given < 0x10000 ? (DWORD)(ULONG_PTR)given : 0;
}

static int give_both(DWORD pid)
{
    HANDLE receiver = OpenProcess(PROCESS_DUP_HANDLE, FALSE, pid);
    DWORD input = give(L"CONIN$", receiver), output = give(L"CONOUT$", receiver);

    return input && output ? (int)(input << 16 | output) : 0;
}

/* The buffer must hold the window at every moment, so it is made larger first, then exact. */
static int resize(SHORT columns, SHORT rows)
{
    HANDLE output = CreateFileW(L"CONOUT$", GENERIC_READ | GENERIC_WRITE,
                                FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
    CONSOLE_SCREEN_BUFFER_INFO now;
    COORD size = {columns, rows}, large;
    SMALL_RECT window = {0, 0, columns - 1, rows - 1};

    if (!GetConsoleScreenBufferInfo(output, &now))
        return 0;
    large.X = now.dwSize.X > columns ? now.dwSize.X : columns;
    large.Y = now.dwSize.Y > rows ? now.dwSize.Y : rows;
    return SetConsoleScreenBufferSize(output, large) &&
           SetConsoleWindowInfo(output, TRUE, &window) && SetConsoleScreenBufferSize(output, size);
}

int wmain(int argc, WCHAR **argv)
{
    if (argc == 2)
        return give_both(wcstoul(argv[1], NULL, 10));
    return argc == 3 ? resize((SHORT)_wtoi(argv[1]), (SHORT)_wtoi(argv[2])) : 0;
}

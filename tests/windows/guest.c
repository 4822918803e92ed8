/*
 * What the contract tests start in a Windows guest. It starts in a third of the time that cmd takes,
 * and says what it was given without any shell's quoting.
 *
 *   guest exit CODE | print OUT ERR | sleep | say TEXT | cat | variable NAME | directory
 *         | arguments ARG... | units ARG... | zeros COUNT | tick | stubborn TEXT | parent | size
 *         | flood COUNT TEXT | deaf TEXT | catch TEXT CODE | early TEXT LATER | late TEXT | sizes
 *         | console | slow MS TEXT | mute | await CODE
 *
 * What it cannot write ends it with 4.
 */
#include <fcntl.h>
#include <io.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <windows.h>

static void put(FILE *to, const WCHAR *text)
{
    int size = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *bytes = malloc(size);

    if (!bytes || !size)
        exit(3);
    WideCharToMultiByte(CP_UTF8, 0, text, -1, bytes, size, NULL, NULL);
    fputs(bytes, to);
    free(bytes);
}

static DWORD slowness;

static BOOL WINAPI end_slowly(DWORD event)
{
    (void)event;
    Sleep(slowness);
    ExitProcess(9);
}

/* slow MS TEXT: say something and sleep; take that many milliseconds to end at a control event. */
static void slow(DWORD milliseconds, const WCHAR *text)
{
    slowness = milliseconds;
    SetConsoleCtrlHandler(end_slowly, TRUE);
    put(stdout, text);
    fflush(stdout);
    Sleep(INFINITE);
}

static void variable(const WCHAR *name)
{
    DWORD size = GetEnvironmentVariableW(name, NULL, 0);
    WCHAR *value = calloc(size + 1, sizeof *value);

    if (!size && GetLastError() == ERROR_ENVVAR_NOT_FOUND) {
        puts("unset");
        return;
    }
    if (!value)
        exit(3);
    GetEnvironmentVariableW(name, value, size);
    putchar('[');
    put(stdout, value);
    putchar(']');
}

static void directory(void)
{
    WCHAR path[MAX_PATH];

    if (!GetCurrentDirectoryW(MAX_PATH, path))
        exit(3);
    put(stdout, path);
}

static void copy(void)
{
    static char buffer[65536];
    DWORD count, written;
    HANDLE in = GetStdHandle(STD_INPUT_HANDLE), out = GetStdHandle(STD_OUTPUT_HANDLE);

    while (ReadFile(in, buffer, sizeof buffer, &count, NULL) && count)
        for (DWORD done = 0; done < count; done += written)
            if (!WriteFile(out, buffer + done, count - done, &written, NULL))
                exit(4);
}

static void zeros(FILE *to, size_t count)
{
    static const char buffer[65536];
    size_t size;

    for (; count; count -= size) {
        size = count < sizeof buffer ? count : sizeof buffer;
        if (!fwrite(buffer, size, 1, to))
            exit(4);
    }
}

/* Print a line now and then, for ever. */
static void tick(void)
{
    for (;; Sleep(1)) {
        puts("tick");
        if (fflush(stdout))
            exit(4);
    }
}

/* Say the size of the console's window, and each new one. */
static void size(void)
{
    HANDLE output = CreateFileW(L"CONOUT$", GENERIC_READ | GENERIC_WRITE,
                                FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
    CONSOLE_SCREEN_BUFFER_INFO now;
    int columns = 0, rows = 0;

    for (; GetConsoleScreenBufferInfo(output, &now); Sleep(10)) {
        int width = now.srWindow.Right - now.srWindow.Left + 1,
            height = now.srWindow.Bottom - now.srWindow.Top + 1;

        if (width == columns && height == rows)
            continue;
        columns = width;
        rows = height;
        printf("%dx%d\r\n", columns, rows);
        fflush(stdout);
    }
}

/* Print a line, so that whoever waits for it reads it now. */
static void say(const WCHAR *text)
{
    put(stdout, text);
    putchar('\n');
    fflush(stdout);
}

static void wait_for_line(void)
{
    while (getchar() != '\n')
        if (feof(stdin))
            exit(0);
}

static BOOL WINAPI ignore(DWORD event)
{
    (void)event;
    return TRUE;
}

static const WCHAR *caught;
static UINT caught_code;

static BOOL WINAPI end(DWORD event)
{
    (void)event;
    say(caught);
    ExitProcess(caught_code);
}

/* Start ourselves to do something else; returns the pid. With our streams, or without any. */
static DWORD start(WCHAR *program, const WCHAR *words, BOOL streams)
{
    STARTUPINFOW info = {.cb = sizeof info};
    PROCESS_INFORMATION made;
    WCHAR line[2 * MAX_PATH];

    if (streams) {
        info.dwFlags = STARTF_USESTDHANDLES;
        info.hStdInput = GetStdHandle(STD_INPUT_HANDLE);
        info.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE);
        info.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    }
    _snwprintf(line, 2 * MAX_PATH, L"\"%ls\" %ls", program, words);
    if (!CreateProcessW(NULL, line, NULL, NULL, streams, DETACHED_PROCESS, NULL, NULL, &info,
                        &made))
        exit(5);
    return made.dwProcessId;
}

/* Leave our streams to a child that waits for a line. */
static void early(WCHAR *program, const WCHAR *text, const WCHAR *later)
{
    WCHAR words[MAX_PATH];

    _snwprintf(words, MAX_PATH, L"late %ls", later);
    start(program, words, TRUE);
    say(text);
}

/* Say rows and columns of the console, with a number: now, and again for every line of input. */
static void sizes(void)
{
    HANDLE in = GetStdHandle(STD_INPUT_HANDLE), out = GetStdHandle(STD_OUTPUT_HANDLE);
    CONSOLE_SCREEN_BUFFER_INFO info;
    char text[64], line[256];
    DWORD count;

    SetConsoleMode(in, ENABLE_PROCESSED_INPUT | ENABLE_LINE_INPUT); /* no echo */
    for (int number = 1;; number++) {
        if (!GetConsoleScreenBufferInfo(out, &info))
            exit(6);
        snprintf(text, sizeof text, "[%d: %d %d]\n", number,
                 info.srWindow.Bottom - info.srWindow.Top + 1,
                 info.srWindow.Right - info.srWindow.Left + 1);
        WriteFile(out, text, strlen(text), &count, NULL);
        if (!ReadFile(in, line, sizeof line, &count, NULL) || !count)
            return;
    }
}

/* Whether all three streams are the console of this process, and it has one by name. */
static bool is_at_console(void)
{
    HANDLE named = CreateFileW(L"CONOUT$", GENERIC_READ | GENERIC_WRITE,
                               FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
    DWORD mode;

    return named != INVALID_HANDLE_VALUE && GetConsoleMode(named, &mode) &&
           GetConsoleMode(GetStdHandle(STD_INPUT_HANDLE), &mode) &&
           GetConsoleMode(GetStdHandle(STD_OUTPUT_HANDLE), &mode) &&
           GetConsoleMode(GetStdHandle(STD_ERROR_HANDLE), &mode);
}

/* Close all output and sleep. */
static void mute(void)
{
    CloseHandle(GetStdHandle(STD_OUTPUT_HANDLE));
    CloseHandle(GetStdHandle(STD_ERROR_HANDLE));
    Sleep(INFINITE);
}

/* Wait for input, and exit. */
static void await(DWORD code)
{
    char byte;
    DWORD count;

    ReadFile(GetStdHandle(STD_INPUT_HANDLE), &byte, 1, &count, NULL);
    ExitProcess(code);
}

int wmain(int argc, WCHAR **argv)
{
    const WCHAR *verb = argc > 1 ? argv[1] : L"", *operand = argc > 2 ? argv[2] : L"",
                *third = argc > 3 ? argv[3] : L"";

    _setmode(0, _O_BINARY);
    _setmode(1, _O_BINARY);
    _setmode(2, _O_BINARY);
    if (!wcscmp(verb, L"exit")) {
        ExitProcess(wcstoul(operand, NULL, 10));
    } else if (!wcscmp(verb, L"slow")) {
        slow(wcstoul(operand, NULL, 10), argc > 3 ? argv[3] : L"");
    } else if (!wcscmp(verb, L"print")) {
        put(stdout, operand);
        put(stderr, third);
    } else if (!wcscmp(verb, L"sleep")) {
        Sleep(INFINITE);
    } else if (!wcscmp(verb, L"say")) {
        say(operand);
        Sleep(INFINITE);
    } else if (!wcscmp(verb, L"cat")) {
        copy();
    } else if (!wcscmp(verb, L"variable")) {
        variable(operand);
    } else if (!wcscmp(verb, L"directory")) {
        directory();
    } else if (!wcscmp(verb, L"arguments")) {
        for (int i = 2; i < argc; i++) {
            putchar('[');
            put(stdout, argv[i]);
            puts("]");
        }
    } else if (!wcscmp(verb, L"units")) {
        for (int i = 2; i < argc; i++, putchar('\n'))
            for (const WCHAR *unit = argv[i]; *unit; unit++)
                printf("%04x", *unit);
    } else if (!wcscmp(verb, L"zeros")) {
        zeros(stdout, wcstoull(operand, NULL, 10));
    } else if (!wcscmp(verb, L"tick")) {
        tick();
    } else if (!wcscmp(verb, L"size")) {
        size();
    } else if (!wcscmp(verb, L"stubborn")) {
        SetConsoleCtrlHandler(ignore, TRUE);
        say(operand);
        Sleep(INFINITE);
    } else if (!wcscmp(verb, L"parent")) {
        printf("%lu\n", start(argv[0], L"sleep", FALSE));
        fflush(stdout);
        Sleep(INFINITE);
    } else if (!wcscmp(verb, L"flood")) {
        zeros(stderr, wcstoull(operand, NULL, 10));
        say(third);
    } else if (!wcscmp(verb, L"deaf")) {
        CloseHandle(GetStdHandle(STD_INPUT_HANDLE));
        say(operand);
        Sleep(INFINITE);
    } else if (!wcscmp(verb, L"catch")) {
        caught = L"caught";
        caught_code = wcstoul(third, NULL, 10);
        SetConsoleCtrlHandler(end, TRUE);
        say(operand);
        Sleep(INFINITE);
    } else if (!wcscmp(verb, L"early")) {
        early(argv[0], operand, third);
    } else if (!wcscmp(verb, L"late")) {
        wait_for_line();
        say(operand);
    } else if (!wcscmp(verb, L"sizes")) {
        sizes();
    } else if (!wcscmp(verb, L"console")) {
        return is_at_console() ? 0 : 1;
    } else if (!wcscmp(verb, L"mute")) {
        mute();
    } else if (!wcscmp(verb, L"await")) {
        await(wcstoul(operand, NULL, 10));
    } else {
        fputs("guest: what?\n", stderr);
        return 2;
    }
    return 0;
}

/*
 * python.exe: all of it but the interpreter, which is python311.dll beside it.
 *
 * The DLL finds Lib from where it lies itself, so nothing needs to be set.
 */
#include <stdio.h>
#include <windows.h>

typedef int (*py_main)(int argc, wchar_t **argv);

int wmain(int argc, wchar_t **argv)
{
    HMODULE dll = LoadLibraryW(L"python311.dll");
    py_main run = dll ? (py_main)(void *)GetProcAddress(dll, "Py_Main") : NULL;

    if (!run) {
        fprintf(stderr, "python: python311.dll cannot be loaded (error %lu)\n", GetLastError());
        return 127;
    }
    return run(argc, argv);
}

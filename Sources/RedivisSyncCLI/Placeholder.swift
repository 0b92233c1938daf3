import ArgumentParser

public enum CommandLineProgram {
    public static func run() async {
        await Root.main()
    }
}

struct Root: AsyncParsableCommand {}

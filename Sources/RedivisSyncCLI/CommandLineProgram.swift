import ArgumentParser
import Glibc

/// The program: reads its arguments as bytes, runs the command, ends with the contract's exit status.
public enum CommandLineProgram {
    public static func run() async {
        var status = ExitStatus.done
        do {
            var command = try RedivisSyncCommand.parseAsRoot(ArgumentBytes.arguments())
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            failure.write()
            status = failure.status
        } catch {
            // Help, version and wrong usage: the parser prints them and ends with 0 or 64.
            RedivisSyncCommand.exit(withError: error)
        }
        exit(status.rawValue)
    }
}

struct RedivisSyncCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "redivis-sync",
        abstract: "Watches folders and delivers every new file to the Redivis table that its folder is mapped to.",
        discussion: """
            It is configured by one mapping file (folder → table): see --mapping-file. Start with `redivis-sync \
            sandbox`, a local stand-in for Redivis, and `redivis-sync check`.
            """,
        version: Version.text,
        subcommands: [
            RunCommand.self, CheckCommand.self, ListCommand.self, WhyCommand.self, RetryCommand.self,
            ForgetCommand.self, ResolveCommand.self, SandboxCommand.self,
        ])
}

enum Version {
    static let text = "0.1.0"
}

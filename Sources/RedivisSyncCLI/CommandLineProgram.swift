import ArgumentParser
import Glibc
import SyncCore

/// The program: reads its arguments as bytes, runs the command, ends with the contract's exit status.
public enum CommandLineProgram {
    public static func run() async {
        // A reader of our output that goes away must not end a delivery; writing then fails with EPIPE instead.
        signal(SIGPIPE, SIG_IGN)
        let status = await status(of: ArgumentBytes.arguments())
        exit(closing(status))
    }

    private static func status(of arguments: [String]) async -> Int32 {
        do {
            var command = try RedivisSyncCommand.parseAsRoot(arguments)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            return ExitStatus.done.rawValue
        } catch let failure as CommandFailure {
            failure.write()
            return failure.status.rawValue
        } catch {
            return tell(error)
        }
    }

    /// Help and version, which were asked for, and wrong usage. The parser's words quote arguments, which may hold
    /// anything.
    private static func tell(_ error: any Error) -> Int32 {
        let status = RedivisSyncCommand.exitCode(for: error)
        let text = RedivisSyncCommand.fullMessage(for: error)
        if status.isSuccess {
            StandardOutput.line(text)
        } else {
            for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
                StandardError.write(RelativePath.printable(ArgumentBytes.bytes(of: String(line))) + "\n")
            }
        }
        return status.rawValue
    }

    private static func closing(_ status: Int32) -> Int32 {
        guard let problem = StandardOutput.problem else { return status }
        StandardError.write("redivis-sync: cannot write to standard output: \(problem); what it shows is cut short\n")
        return max(status, ExitStatus.somethingLeft.rawValue)
    }
}

struct RedivisSyncCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "redivis-sync",
        abstract: "Watches folders and delivers every new file to the Redivis table that its folder is mapped to.",
        discussion: """
            It is configured by one mapping file (folder → table): see --mapping-file. Start with `redivis-sync \
            sandbox`, a local stand-in for Redivis, and `redivis-sync check`.

            Exit status:
            \(ExitStatus.allCases.map { "  \(String($0.rawValue).padded(to: 4))\($0.meaning)" }.joined(separator: "\n"))
            """,
        version: Version.text,
        subcommands: [
            RunCommand.self, CheckCommand.self, PlanCommand.self, StatusCommand.self, ListCommand.self,
            WhyCommand.self, RetryCommand.self, ForgetCommand.self, ResolveCommand.self, PauseCommand.self,
            ResumeCommand.self, WaitCommand.self, ReceiptsCommand.self, DoctorCommand.self, SandboxCommand.self,
            SelftestCommand.self, RebuildCommand.self,
        ])
}

enum Version {
    static let text = "0.1.0"
}

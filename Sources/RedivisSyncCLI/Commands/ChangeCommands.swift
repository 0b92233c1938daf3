import ArgumentParser
import SyncCore

// The commands that change what the queue holds, through the running agent where there is one (see `StateChange`).

struct RetryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry",
        abstract: "Queues parked files again, and takes up again what `forget` left out. Held files are not touched.")

    @Argument(help: "The files; a directory means the files below it that the queue knows.")
    var paths: [PathArgument] = []

    @Flag(help: "All parked files.")
    var all = false

    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard all != !paths.isEmpty else { throw ValidationError("name the files, or --all parked ones") }
    }

    func run() async throws {
        let request = all ? ControlRequest.retryAll : .retry(paths: paths.map(ControlPath.init))
        try await StateChange.perform(request, options).report(nothing: "nothing here is parked")
    }
}

struct ForgetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget",
        abstract: "Leaves files out, now and in later scans, until `retry`. The files themselves are not touched.")

    @Argument(help: "The files; a directory means the files below it that the queue knows.")
    var paths: [PathArgument]

    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await StateChange.perform(.forget(paths: paths.map(ControlPath.init)), options)
            .report(nothing: "nothing to forget")
    }
}

struct ResolveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resolve", abstract: "Decides about held files.")

    @Argument(help: "The files; a directory means the files below it that the queue knows.")
    var paths: [PathArgument]

    @Flag(help: "Send them: their rows are added to the table.")
    var add = false

    @Flag(help: "Leave them out, now and in later scans.")
    var ignore = false

    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard add != ignore else { throw ValidationError("say what to do with them: --add or --ignore") }
    }

    func run() async throws {
        let request = ControlRequest.resolve(paths: paths.map(ControlPath.init), decision: add ? .add : .ignore)
        try await StateChange.perform(request, options).report(nothing: "nothing here is held")
    }
}

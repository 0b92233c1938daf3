import ArgumentParser
import Glibc
import SyncCore
import SystemPackage

struct SelftestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "selftest",
        abstract: "A drill on this machine alone: does every byte arrive exactly once?",
        discussion: """
            In a temporary folder it starts a sandbox and an agent, feeds files, kills the agent in the middle of a \
            transfer, starts it again, and compares what arrived with what was fed. Takes seconds, at most about a \
            minute; no account, mapping file, state or token of yours is touched.

            Exit status: 0 every byte arrived exactly once; 1 not so, and the folder is kept.
            """)

    @OptionGroup var output: JSONOption

    func run() async throws {
        // Whoever sends a second signal does not want to wait, but nothing that was started may stay behind.
        let signals = SignalWatch(withHangUp: true, atSecond: ChildProcess.endAll)
        let folder = try DrillFolder.make()
        let screen = DrillScreen(
            style: .standardOutput, showsRunning: TextStyle.standardOutput.isTerminal && ProgressDisplay.isWanted)
        guard var report = await drill(in: folder, output.json ? nil : screen, signals) else {
            screen.clear()
            remove(folder)
            throw CommandFailure(.somethingLeft, "stopped before the drill's end; nothing is left of it")
        }
        switch report.verdict {
        case .passed: remove(folder)
        case .failed: report.keep(folder.path.string)
        }
        for problem in report.problems { StandardError.write("redivis-sync: \(problem.told.printable)\n") }
        if output.json {
            StandardOutput.line(JSONText.line(report))
        } else {
            screen.verdict(report)
        }
        guard report.verdict == .passed else { throw CommandFailure(.somethingLeft, []) }
    }

    /// `nil` where a signal ended it.
    private func drill(in folder: DrillFolder, _ screen: DrillScreen?, _ signals: SignalWatch) async -> DrillReport? {
        await withTaskGroup(of: DrillReport?.self) { group in
            group.addTask {
                var drill = Drill(in: folder, screen: screen)
                return try? await drill.run()
            }
            group.addTask {
                await signals.wait()
                return nil
            }
            let first = await group.next()
            group.cancelAll()
            // The drill ends its children before anything else is done.
            await group.waitForAll()
            return first.flatMap { $0 }
        }
    }

    private func remove(_ folder: DrillFolder) {
        do throws(Errno) {
            try FolderContents.remove(folder.path)
        } catch {
            StandardError.write(
                "redivis-sync: \(folder.path.string.printable) cannot be removed: \(error); remove it by hand\n")
        }
    }
}

import SyncCore

@testable import FolderWatch
@testable import SyncSimulator

/// A folder in a virtual kernel, with a watch on it.
final class VirtualFolder {
    let kernel: VirtualKernel
    let inotify: VirtualInotify
    var writers: [VirtualWriter] = []

    init(isWatched: Bool = true, _ options: VirtualKernel.Options = VirtualKernel.Options()) {
        kernel = KernelFixture(options).kernel
        kernel.makeDirectory("/root")
        inotify = VirtualInotify(kernel)
        if isWatched { inotify.watch("/root") }
    }

    func act(_ act: KernelAct) -> KernelOutcome {
        KernelOutcome(code(act), inotify.events())
    }

    func code(_ act: KernelAct) -> Int32 {
        func at(_ path: String) -> String { "/root/" + path }
        switch act {
        case .makeDirectory(let path): return kernel.makeDirectory(at(path))
        case .write(let path, let count): return kernel.writeFile(at(path), [UInt8](repeating: 1, count: count))
        case .append(let path): return kernel.appendFile(at(path), [2])
        case .rename(let from, let to): return kernel.rename(at(from), to: at(to))
        case .exchange(let one, let two): return kernel.exchange(at(one), with: at(two))
        case .link(let from, let to): return kernel.link(at(from), as: at(to))
        case .makeLink(let path, let target): return kernel.makeLink(at: at(path), to: target)
        case .unlink(let path): return kernel.unlink(at(path))
        case .removeDirectory(let path): return kernel.removeDirectory(at(path))
        case .open(let path):
            let (writer, code) = kernel.openWriter(at(path), truncates: false)
            if let writer { writers.append(writer) }
            return code
        case .close:
            return writers.isEmpty ? 0 : writers.removeFirst().close()
        case .watch(let path):
            let watch = inotify.watch(at(path), KernelEvent.directoryMask)
            return watch
        case .unwatch(let watch):
            return inotify.system.removeWatch(inotify.instance, watch)
        }
    }

    func files() -> [String] {
        (kernel.files(below: "/root") ?? []).map { "\($0.path) \($0.cells.count) \($0.links)" }
    }
}

import RedivisSyncCLI

@main
enum Entry {
    static func main() async {
        await CommandLineProgram.run()
    }
}

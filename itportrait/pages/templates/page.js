const root = document.documentElement, zoom = document.getElementById('zoom');
document.getElementById('theme').onclick = () => {
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
};
document.querySelector('main').addEventListener('click', event => {
  if (event.target.tagName !== 'IMG' || event.target.closest('.reel')) return;
  zoom.firstElementChild.src = event.target.src; zoom.firstElementChild.alt = event.target.alt; zoom.showModal();
});
zoom.onclick = () => zoom.close();
